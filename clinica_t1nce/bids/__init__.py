"""BIDS: entities, metadata on contrast agents, data sets and tables of pairs."""
