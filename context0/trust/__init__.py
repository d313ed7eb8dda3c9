"""Whom remembered text comes from, whether it gives orders, and what it may bring about."""
