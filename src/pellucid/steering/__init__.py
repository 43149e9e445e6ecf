"""Directions that are added to the stream, and what doing so really does."""
