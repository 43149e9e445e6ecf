"""Floor 1: a model as a residual stream."""
