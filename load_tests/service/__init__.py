"""The load test of the service: who its users are, and what runs it."""
