"""Storage for memories: protocols and the backends that keep them. Runs alone; imports nothing of context0."""
