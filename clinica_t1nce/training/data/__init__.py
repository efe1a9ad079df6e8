"""Pairs to train on: real, simulated, and changed at random."""
