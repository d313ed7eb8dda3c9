"""Language models: one protocol, one file for each provider, and the wrappers that make a call safe.

A provider is one file and one line in `registry.PROVIDERS`; `registry.build_llm` returns it wrapped.
Nothing here imports openai until a model of it is warmed or first used.
"""
