"""Whether a place holds a variable: values exchanged between prompts, and what follows."""
