"""The default vector store: nothing to run and nothing to write."""
