"""How much every token of the prompt matters."""
