"""The shape that the design promises: which way imports point, how large things are, what no module does."""

import ast
from collections.abc import Iterator
from typing import Final

import pytest

from tests.architecture.source import Function, Module, is_within, modules_in

STORES: Final = modules_in("stores")
CONTEXT0: Final = modules_in("context0")
PRODUCT: Final = STORES + CONTEXT0
EVERYTHING: Final = PRODUCT + modules_in("scripts", "load_tests", "tests")
MAX_MODULE_LINES: Final = 400
MAX_FUNCTION_LINES: Final = 60
MAX_PARAMETERS: Final = 6

LAYERS: Final = ("context0.memory", "context0.agents", "context0.chat", "context0.api")
"""Each may import the ones before it, never one behind it."""
BELOW_ALL_LAYERS: Final = (
    *("context0.clock", "context0.errors", "context0.settings", "context0.wire"),
    *("context0.embeddings", "context0.llm", "context0.cache", "context0.observability"),
)
BACKENDS: Final = ("reference", "sqlite", "mongo", "local", "pinecone", "redis")
SEES_BACKENDS: Final = ("context0.runtime", "context0.cli")
AGENTS: Final = ("privacy_guardian", "memory_retrieval", "conversation", "memory_manager", "conversation_analyst")
READS_ENVIRONMENT: Final = ("context0.settings",)
WIDE_BY_CONTRACT: Final = frozenset({"MemoryEngine.add", "MemoryEngine.search"})
"""What people call with one keyword per property of a memory or a search: DESIGN.md, section 5."""


def layer_of(name: str) -> int:
    return next((number for number, layer in enumerate(LAYERS) if is_within(name, layer)), -1)


def named(modules: list[Module]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("module", modules, ids=[module.name for module in modules])


# --- which way imports point


@named(STORES)
def test_stores_import_nothing_of_context0(module: Module) -> None:
    assert [name for name in module.imports() if is_within(name, "context0", "tests", "scripts")] == []


@named(CONTEXT0)
def test_a_layer_imports_no_layer_above_it(module: Module) -> None:
    own = layer_of(module.name)
    if own >= 0:
        assert [name for name in module.imports() if layer_of(name) > own] == []
    if is_within(module.name, *BELOW_ALL_LAYERS):
        assert [name for name in module.imports() if layer_of(name) >= 0] == []


@named([module for module in CONTEXT0 if is_within(module.name, "context0.sdk")])
def test_the_client_needs_no_server(module: Module) -> None:
    forbidden = (*LAYERS, "context0.runtime", "stores")
    assert [name for name in module.imports() if is_within(name, *forbidden)] == []


@named(PRODUCT)
def test_only_the_composition_root_and_registries_see_concrete_backends(module: Module) -> None:
    if module.name in SEES_BACKENDS or module.name.endswith(".registry"):
        return
    own = next((backend for backend in BACKENDS if is_within(module.name, f"stores.{backend}")), None)
    others = [f"stores.{backend}" for backend in BACKENDS if backend != own]
    assert [name for name in module.imports() if is_within(name, *others)] == []


@named(CONTEXT0)
def test_only_the_coordinator_imports_agents(module: Module) -> None:
    if module.name in ("context0.agents.coordinator", "context0.runtime"):
        return
    others = [f"context0.agents.{agent}" for agent in AGENTS if not module.name.endswith(f".agents.{agent}")]
    assert [name for name in module.imports() if is_within(name, *others)] == []


@named(CONTEXT0)
def test_no_agent_imports_the_coordinator(module: Module) -> None:
    if is_within(module.name, *(f"context0.agents.{agent}" for agent in (*AGENTS, "base"))):
        assert [name for name in module.imports() if is_within(name, "context0.agents.coordinator")] == []


@named(PRODUCT)
def test_only_the_settings_read_the_environment(module: Module) -> None:
    if module.name in READS_ENVIRONMENT:
        return
    names = {"environ", "environb", "getenv", "getenvb"}
    reads = [
        module.place(node)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os"
        if node.attr in names
    ]
    assert reads == []
    assert module.imports() & {f"os.{name}" for name in names} == set()


# --- how large things are


@named(EVERYTHING)
def test_a_module_is_short(module: Module) -> None:
    assert len(module.text.splitlines()) <= MAX_MODULE_LINES


@named(EVERYTHING)
def test_functions_are_short(module: Module) -> None:
    assert [
        f"{module.place(function)} {name}: {length} lines"
        for name, function in module.functions()
        if (length := (function.end_lineno or 0) - function.lineno + 1) > MAX_FUNCTION_LINES
    ] == []


@named(PRODUCT)
def test_functions_take_few_parameters(module: Module) -> None:
    assert [
        f"{module.place(function)} {name}: {count} parameters"
        for name, function in module.functions()
        if (count := parameters_of(function)) > MAX_PARAMETERS
        if name not in WIDE_BY_CONTRACT and not is_command(function)
    ] == []


def parameters_of(function: Function) -> int:
    """Count the parameters but self, cls and **kwargs."""
    arguments = function.args
    names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    return len(names) - (names[:1] in (["self"], ["cls"])) + (arguments.vararg is not None)


def is_command(function: Function) -> bool:
    """A command of the command line has a parameter for each of its options."""
    called = [item.func if isinstance(item, ast.Call) else item for item in function.decorator_list]
    return any(isinstance(item, ast.Attribute) and item.attr in ("command", "callback") for item in called)


# --- what every module does, and none


@named(EVERYTHING)
def test_a_module_says_what_it_owns(module: Module) -> None:
    assert ast.get_docstring(module.tree)


@named(EVERYTHING)
def test_no_error_is_swallowed_whole(module: Module) -> None:
    silent = [
        module.place(node)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler) and catches_everything(node.type) and all(map(does_nothing, node.body))
    ]
    suppressed = [
        module.place(node)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("suppress", "contextlib.suppress")
        if any(map(catches_everything, node.args))
    ]
    assert silent + suppressed == []


def catches_everything(caught: ast.expr | None) -> bool:
    if isinstance(caught, ast.Tuple):
        return any(map(catches_everything, caught.elts))
    return caught is None or (isinstance(caught, ast.Name) and caught.id in ("Exception", "BaseException"))


def does_nothing(statement: ast.stmt) -> bool:
    constant = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return constant or isinstance(statement, ast.Pass | ast.Continue)


@named(PRODUCT)
def test_a_module_keeps_no_state(module: Module) -> None:
    written = [module.place(node) for node in ast.walk(module.tree) if isinstance(node, ast.Global)]
    assert written + [module.place(statement) for statement in module.tree.body if binds_state(statement)] == []


_CONTAINERS: Final = frozenset({"list", "dict", "set", "bytearray", "defaultdict", "deque", "Counter", "OrderedDict"})
_LIVE: Final = frozenset(
    {"Lock", "RLock", "Semaphore", "Event", "Condition", "Queue", "Thread", "TTLCache", "LRUCache"}
)
_LIVE_ENDINGS: Final = ("Client", "Engine", "Connection", "Pool", "Session", "Executor", "Settings")


def binds_state(statement: ast.stmt) -> bool:
    """Say whether a module binds something that is filled or lives later on. A filled, upper-case table is none."""
    if not isinstance(statement, ast.Assign | ast.AnnAssign) or statement.value is None:
        return False
    value = statement.value
    if isinstance(value, ast.List | ast.Dict | ast.Set):
        filled = bool(value.keys) if isinstance(value, ast.Dict) else bool(value.elts)
        return not (filled and all(map(is_constant, names_bound_by(statement))))
    if isinstance(value, ast.Call):
        called = ast.unparse(value.func).rpartition(".")[2]
        made = called in _CONTAINERS and not value.args and not value.keywords
        return made or called in _LIVE or called.endswith(_LIVE_ENDINGS)
    return False


def names_bound_by(statement: ast.Assign | ast.AnnAssign) -> Iterator[str]:
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    return (ast.unparse(target) for target in targets)


def is_constant(name: str) -> bool:
    return name.isupper() or name == "__all__"
