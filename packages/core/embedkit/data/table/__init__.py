"""What a table is made of: how its file is opened, what its header says, what its cells hold."""
