"""Measures how well search finds the evidence of questions over recorded conversations."""
