"""Sparse dictionaries: what they are, read from everybody's files, written, and trained."""
