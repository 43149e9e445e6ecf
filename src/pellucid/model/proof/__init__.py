"""Proof on opening that the parts found are the parts there are."""
