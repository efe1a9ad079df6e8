"""Data sets made of others: separated by contrast, or homogenised."""
