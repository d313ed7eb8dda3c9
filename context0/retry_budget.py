"""How many retries all calls together may make, so that an outage is not made worse by them."""


class RetryBudget:
    """A bucket of retries: each call puts `share` of one in, each retry takes one out. Pure.

    In a total outage of n calls at most `reserve + share × n` retries happen; a quiet time saves up no more than
    ten times the reserve.
    """

    def __init__(self, *, share: float = 0.1, reserve: float = 3.0) -> None:
        self._share = share
        self._most = max(1.0, reserve * 10)
        self._saved = reserve if share else 0.0

    def deposit(self) -> None:
        """A first attempt is made."""
        self._saved = min(self._most, self._saved + self._share)

    def withdraw(self) -> bool:
        """Tell whether one more attempt is allowed, and count it."""
        if self._saved < 1 - 1e-9:
            return False
        self._saved -= 1
        return True
