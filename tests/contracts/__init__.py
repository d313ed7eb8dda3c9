"""One suite per store protocol, written once, run on every backend of `backends.py`."""
