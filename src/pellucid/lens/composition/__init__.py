"""Heads that read what other heads wrote."""
