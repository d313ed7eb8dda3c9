"""Indexes in this process's memory, one per owner: built from the documents when first asked, bounded in bytes."""
