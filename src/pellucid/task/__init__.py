"""What is asked: contrasts of two prompts, metrics on their logits, and ready-made tasks."""
