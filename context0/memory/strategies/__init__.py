"""The arms of a search, one file each, and their table: a new arm is one file and one line."""

from collections.abc import Mapping
from typing import Any

from context0.memory.inputs import ArmName
from context0.memory.strategies.entity import EntityStrategy
from context0.memory.strategies.keyword import KeywordStrategy
from context0.memory.strategies.protocol import SearchStores, Strategy
from context0.memory.strategies.semantic import SemanticStrategy
from context0.memory.strategies.temporal import TemporalStrategy


def build_strategies(stores: SearchStores) -> Mapping[ArmName, Strategy[Any]]:
    """Return every arm by its name."""
    return {
        "semantic": SemanticStrategy(stores),
        "keyword": KeywordStrategy(stores),
        "entity": EntityStrategy(stores),
        "temporal": TemporalStrategy(stores),
    }
