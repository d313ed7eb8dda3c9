"""The parts of the cache study; each returns the rows of one table."""
