"""How all figures look."""
