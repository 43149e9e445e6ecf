"""Circuits of edges."""
