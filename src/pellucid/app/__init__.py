"""Floor 7: the local web app: one model, one worker, one page."""
