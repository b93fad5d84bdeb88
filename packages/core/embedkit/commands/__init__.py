"""Commands that belong to no room: demo, doctor, cache."""
