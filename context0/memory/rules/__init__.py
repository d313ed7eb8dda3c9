"""Rules that turn text into structure: pure functions of a text, no LLM, no I/O, linear in its length."""
