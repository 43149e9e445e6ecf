"""Floor 2: the only place that runs a model to answer a question."""
