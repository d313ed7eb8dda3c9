"""The rows of the fault matrix, each one function: the tests run them small, scripts/soak.py at length."""
