"""Caches: bounded in real bytes and in time, loaded once for all who wait, layered over a shared store."""
