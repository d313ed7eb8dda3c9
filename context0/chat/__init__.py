"""Conversations: one turn from message to events, its sessions and its persistence."""
