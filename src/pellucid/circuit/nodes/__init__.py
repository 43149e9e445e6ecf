"""Circuits of heads and MLPs."""
