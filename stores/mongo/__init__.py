"""Memories in MongoDB, by PyMongo's asyncio client, or by a Motor database that the application already has."""
