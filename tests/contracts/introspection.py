"""Reads the protocols' methods, so that a new one without a probe fails its suite."""

import inspect
from collections.abc import Mapping
from typing import Any


def methods_of(protocol: type) -> Mapping[str, inspect.Signature]:
    """Return the public methods that `protocol` defines."""
    return {
        name: inspect.signature(member)
        for name, member in vars(protocol).items()
        if inspect.isfunction(member) and not name.startswith("_")
    }


def methods_taking(protocol: type, parameter: str) -> set[str]:
    return {name for name, signature in methods_of(protocol).items() if parameter in signature.parameters}


def probes_in(namespace: Mapping[str, Any]) -> dict[str, Any]:
    """Return the functions of a test module that are named probe_<method>, by method."""
    return {name.removeprefix("probe_"): probe for name, probe in namespace.items() if name.startswith("probe_")}
