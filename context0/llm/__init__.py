"""Language models: one protocol, and one file for each provider."""
