"""The embedded default: documents, keyword index and graph in one SQLite file."""
