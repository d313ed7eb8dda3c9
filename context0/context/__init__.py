"""What a model is told beside the question: how much of it, what of it, and within which budget."""
