"""BIDS: names, metadata, tables of pairs."""
