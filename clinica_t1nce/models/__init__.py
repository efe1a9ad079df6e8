"""Networks, their registry, and weights with their cards."""
