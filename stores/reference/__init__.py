"""Dict implementations of the store protocols: the executable specification that every backend is compared with."""
