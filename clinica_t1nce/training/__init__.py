"""Training of generators, on real pairs and on simulated ones."""
