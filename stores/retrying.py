"""What a store asks before it repeats a call: an allowance that whoever builds it hands in."""

from typing import Protocol


class RetryAllowance(Protocol):
    """How many retries all calls together may make; must be quick and must not raise."""

    def deposit(self) -> None:
        """A call begins."""

    def withdraw(self) -> bool:
        """Tell whether one more retry is allowed, and count it."""
