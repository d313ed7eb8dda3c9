"""What is measured, logged and warned of; below all layers, and built by `context0.runtime`."""
