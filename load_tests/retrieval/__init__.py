"""What the retrieval benchmark is made of: the owners it searches, the bare floors, the figures."""
