"""Texts in, unit vectors out: the protocol, three providers and the wrappers around them.

A provider is one file and one line in `registry.PROVIDERS`; `registry.build_embedder` returns it wrapped.
Nothing here imports numpy, openai or a model until an embedder is built and used.
"""
