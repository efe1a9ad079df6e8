"""CAPS data sets: names, queries, sidecars, tables, and images translated file by file."""
