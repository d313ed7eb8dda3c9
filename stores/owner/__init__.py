"""Indexes in memory, one per owner: made from the documents when first asked, whatever store keeps these."""
