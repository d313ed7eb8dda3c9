"""Layers, sizes, names and import costs, read from the source."""
