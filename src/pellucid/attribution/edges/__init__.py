"""How much every edge matters."""
