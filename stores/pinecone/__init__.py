"""Vectors in a Pinecone index, over the official asyncio client."""
