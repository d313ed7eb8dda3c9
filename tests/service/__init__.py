"""Whole parts over real stores, offline."""
