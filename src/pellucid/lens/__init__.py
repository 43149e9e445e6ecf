"""What every part of a model reads, writes and predicts: lenses on one prompt, and on heads."""
