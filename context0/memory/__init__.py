"""The memory engine: what is kept, how it is found, and how it is forgotten."""
