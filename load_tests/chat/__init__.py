"""What the chat benchmark is made of: the model's stand-in, the users, the contestants, the schedule, the figures."""
