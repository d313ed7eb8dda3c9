"""What the documents promise, carried out."""
