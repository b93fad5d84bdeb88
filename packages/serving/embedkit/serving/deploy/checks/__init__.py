"""What is wrong in a folder of `embedkit deploy`: the rules of each target, and validators that others wrote."""
