"""A sample conversation with questions, and a tour of the engine over it."""
