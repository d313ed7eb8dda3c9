"""The shape that the design promises: which way imports point, how large things are, what no module does."""

from collections.abc import Callable
from typing import Final

import pytest

from tests.architecture import rules
from tests.architecture.source import ROOT, Module, modules_in

PRODUCT: Final = modules_in("stores", "context0")
EVERYTHING: Final = PRODUCT + modules_in("scripts", "load_tests", "tests")
Rule = Callable[[Module], list[str]]
OF_THE_PRODUCT: Final[tuple[Rule, ...]] = (
    rules.stores_import_nothing_of_context0,
    rules.a_layer_imports_no_layer_above_it,
    rules.the_client_needs_no_server,
    rules.only_the_root_and_registries_see_backends,
    rules.only_the_coordinator_imports_agents,
    rules.only_the_settings_read_the_environment,
    rules.blocking_work_has_one_place,
    rules.functions_take_few_parameters,
    rules.a_module_keeps_no_state,
)
OF_EVERYTHING: Final[tuple[Rule, ...]] = (
    rules.a_module_is_short,
    rules.functions_are_short,
    rules.a_module_says_what_it_owns,
    rules.no_error_is_swallowed_whole,
)
PLANTED: Final[tuple[tuple[Rule, str, str], ...]] = (
    (rules.stores_import_nothing_of_context0, "stores/a", "from context0.clock import Clock"),
    (rules.stores_import_nothing_of_context0, "stores/a", "def f():\n    import context0"),
    (rules.a_layer_imports_no_layer_above_it, "context0/memory/a", "from context0.agents import base"),
    (rules.a_layer_imports_no_layer_above_it, "context0/memory/a", "from context0 import chat"),
    (rules.a_layer_imports_no_layer_above_it, "context0/agents/a", "from ..api.app import app"),
    (rules.a_layer_imports_no_layer_above_it, "context0/cache/a", "import context0.memory.engine"),
    (rules.the_client_needs_no_server, "context0/sdk/a", "from stores import records"),
    (rules.only_the_root_and_registries_see_backends, "context0/memory/a", "from stores.sqlite import documents"),
    (rules.only_the_root_and_registries_see_backends, "stores/local/a", "from stores.reference import vectors"),
    (rules.only_the_coordinator_imports_agents, "context0/chat/a", "from context0.agents.conversation import X"),
    (rules.only_the_coordinator_imports_agents, "context0/agents/conversation", "from . import memory_manager"),
    (rules.only_the_coordinator_imports_agents, "context0/agents/conversation", "from .coordinator import X"),
    (rules.only_the_settings_read_the_environment, "stores/a", "import os\nx = os.environ['A']"),
    (rules.only_the_settings_read_the_environment, "context0/a", "from os import getenv"),
    (rules.blocking_work_has_one_place, "stores/a", "async def f():\n    await asyncio.to_thread(g)"),
    (rules.blocking_work_has_one_place, "context0/a", "from concurrent.futures import ThreadPoolExecutor"),
    (rules.a_module_is_short, "stores/a", "x = 1\n" * 401),
    (rules.functions_are_short, "stores/a", "class A:\n    async def f(self):\n" + "        x = 1\n" * 60),
    (rules.functions_take_few_parameters, "stores/a", "class A:\n    def f(self, a, b, *, c, d, e, f, g, **h): ..."),
    (rules.a_module_says_what_it_owns, "stores/a", "x = 1"),
    (rules.no_error_is_swallowed_whole, "stores/a", "try:\n    f()\nexcept Exception:\n    pass"),
    (rules.no_error_is_swallowed_whole, "stores/a", "try:\n    f()\nexcept (OSError, BaseException):\n    ..."),
    (rules.no_error_is_swallowed_whole, "stores/a", "with contextlib.suppress(Exception):\n    f()"),
    (rules.a_module_keeps_no_state, "stores/a", "_seen = {}"),
    (rules.a_module_keeps_no_state, "stores/a", "CACHE: Final = dict()"),
    (rules.a_module_keeps_no_state, "stores/a", "names = ['a']"),
    (rules.a_module_keeps_no_state, "stores/a", "client = MongoClient('…')"),
    (rules.a_module_keeps_no_state, "stores/a", "def f():\n    global x"),
)


@pytest.mark.parametrize("rule", OF_THE_PRODUCT, ids=lambda rule: rule.__name__)
def test_the_product_keeps_the_rule(rule: Rule) -> None:
    assert_kept(rule, PRODUCT)


@pytest.mark.parametrize("rule", OF_EVERYTHING, ids=lambda rule: rule.__name__)
def test_everything_keeps_the_rule(rule: Rule) -> None:
    assert_kept(rule, EVERYTHING)


@pytest.mark.parametrize(("rule", "place", "text"), PLANTED, ids=range(len(PLANTED)))
def test_a_rule_sees_what_breaks_it(rule: Rule, place: str, text: str) -> None:
    assert rule(Module(ROOT / f"{place}.py", text))


def test_every_rule_is_applied_and_was_seen_to_break() -> None:
    public = {
        name
        for name, rule in vars(rules).items()
        if callable(rule) and getattr(rule, "__module__", "") == rules.__name__ and not name.startswith("_")
    }
    assert {rule.__name__ for rule in (*OF_THE_PRODUCT, *OF_EVERYTHING)} == public
    assert {rule.__name__ for rule, _, _ in PLANTED} == public


def assert_kept(rule: Rule, modules: list[Module]) -> None:
    broken = [f"{module.name}: {violation}" for module in modules for violation in rule(module)]
    assert not broken, "\n".join(broken)
