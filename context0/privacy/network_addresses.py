"""IP addresses of machines in a network; not those of the machine itself, and not versions that look like one."""

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from context0.privacy.nearby import any_of, is_before
from context0.privacy.report import Finding

_FOUR: Final = re.compile(r"(?<![\w.+-])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![\w-]|\.[0-9])")
_SIX: Final = re.compile(
    r"(?<![\w:.])(?:[23][0-9A-Fa-f]{3}|[Ff][CcDdEe][0-9A-Fa-f]{2})(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])"
)
_VERSION: Final = any_of(
    "version|versions|ver|release|releases|build|firmware|driver|patch|update|upgrade|upgraded|section|chapter|v"
)
_VERSION_CHARACTERS: Final = 18


def find_ip_addresses(text: str) -> Iterator[Finding]:
    for match in _FOUR.finditer(text):
        if _is_of_a_machine(match.group()) and not is_before(_VERSION, text, match.start(), within=_VERSION_CHARACTERS):
            yield Finding(kind="ip_address", span=match.span())
    if ":" in text:
        for match in _SIX.finditer(text):
            if _is_of_a_machine(match.group()):
                yield Finding(kind="ip_address", span=match.span())


def _is_of_a_machine(text: str) -> bool:
    try:
        address: IPv4Address | IPv6Address = ip_address(text)
    except ValueError:
        return False
    a_mask = text.startswith(("0.", "255."))
    return not (address.is_loopback or address.is_unspecified or address.is_multicast or a_mask)
