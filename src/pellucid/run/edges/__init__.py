"""Running with edges cut, and every edge's product from one recording."""
