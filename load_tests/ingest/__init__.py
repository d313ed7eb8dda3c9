"""What filling a memory costs: many at once, one by one, and with an embeddings API that is slow or fails."""
