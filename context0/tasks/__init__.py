"""Background work in other processes: what writers tell the workers, over which broker, and what a worker does."""
