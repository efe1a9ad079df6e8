"""Training of generators, on simulated pairs."""
