"""One file for each layout in which dictionaries are published."""
