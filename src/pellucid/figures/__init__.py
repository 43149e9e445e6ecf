"""Figures from numbers and names; knows nothing of models or results."""
