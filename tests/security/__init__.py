"""What must not be reachable, kept or shown."""
