"""What the latents of a dictionary do in a model: judged, shown and attributed."""
