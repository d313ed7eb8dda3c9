"""The client of the service: what is sent and read is worked out without I/O, and driven by httpx twice."""
