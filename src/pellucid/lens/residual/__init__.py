"""What the residual stream predicts, layer by layer."""
