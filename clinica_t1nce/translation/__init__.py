"""T1ce files in, T1nce files out."""
