"""C2: the operation chooses the tier, and with it the time, the parts and the tokens."""

import pytest

from context0.context.operations import Classified, Operation, classify
from context0.context.tiers import FULL, LIGHT, STANDARD, TierName, TokenBudget, tier_of
from context0.errors import ConfigurationError


@pytest.mark.parametrize(
    ("operation", "name", "budget_ms"),
    [("trivial", "light", 50), ("moderate", "standard", 200), ("complex", "full", 500), ("analytical", "full", 500)],
)
def test_c2_each_operation_has_its_tier(operation: Operation, name: TierName, budget_ms: int) -> None:
    tier = tier_of(Classified(operation=operation))
    assert (tier.name, tier.budget_ms) == (name, budget_ms)


def test_c2_small_talk_and_fix_ups_search_nothing() -> None:
    assert tier_of(classify("thanks!")).memories == 0
    fix_up = tier_of(classify("that failed, try again"))
    assert (fix_up.name, fix_up.memories, fix_up.recalls) == ("light", 0, True)
    assert fix_up.parts == {"history"}


def test_b5_the_standard_tier_has_the_last_ten_messages_and_eight_memories() -> None:
    assert (STANDARD.history_messages, STANDARD.memories) == (10, 8)
    assert FULL.memories == 25


def test_a_larger_tier_has_whatever_a_smaller_one_has() -> None:
    assert LIGHT.parts < STANDARD.parts < FULL.parts
    assert LIGHT.tokens.total < STANDARD.tokens.total < FULL.tokens.total


def test_a_budget_that_holds_no_message_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="512"):
        TokenBudget(total=100)
