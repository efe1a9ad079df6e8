"""Pairs of T1ce and T1nce from label maps, to train on where no real pairs are to be had."""
