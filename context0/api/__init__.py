"""The HTTP service: routes, streams, credentials, limits, errors."""
