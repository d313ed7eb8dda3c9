"""The rules that the source keeps: each takes one module and returns its violations."""

import ast
from collections.abc import Iterator
from typing import Final

from tests.architecture.source import Function, Module, is_within

MAX_MODULE_LINES: Final = 400
MAX_FUNCTION_LINES: Final = 60
MAX_PARAMETERS: Final = 6
LAYERS: Final = ("context0.memory", "context0.context", "context0.agents", "context0.chat", "context0.api")
"""Each may import the ones before it, never one behind it."""
BELOW_ALL_LAYERS: Final = (
    *("context0.clock", "context0.errors", "context0.settings", "context0.wire"),
    *("context0.embeddings", "context0.llm", "context0.privacy", "context0.cache", "context0.observability"),
    "context0.trust",
)
BACKENDS: Final = ("reference", "sqlite", "mongo", "local", "pinecone", "redis")
SEES_BACKENDS: Final = ("context0.runtime", "context0.cli")
AGENTS: Final = ("privacy_guardian", "memory_retrieval", "conversation", "memory_manager", "conversation_analyst")
HAS_THREADS: Final = ("stores.blocking", "context0.embeddings.word_vectors")
"""The latter for as long as it reads two files at once."""
READS_ENVIRONMENT: Final = ("context0.settings",)
WIDE_BY_CONTRACT: Final = frozenset({"MemoryEngine.add", "MemoryEngine.search"})
"""What people call with one keyword per property of a memory or a search: DESIGN.md, section 5."""
_ENVIRONMENT: Final = frozenset({"environ", "environb", "getenv", "getenvb"})
_CONTAINERS: Final = frozenset({"list", "dict", "set", "bytearray", "defaultdict", "deque", "Counter", "OrderedDict"})
_LIVE: Final = frozenset(
    {"Lock", "RLock", "Semaphore", "Event", "Condition", "Queue", "Thread", "TTLCache", "LRUCache"}
)
_LIVE_ENDINGS: Final = ("Client", "Engine", "Connection", "Pool", "Session", "Executor", "Settings")


# --- which way imports point


def stores_import_nothing_of_context0(module: Module) -> list[str]:
    outer = is_within(module.name, "stores")
    return [name for name in module.imports() if outer and is_within(name, "context0", "tests", "scripts")]


def a_layer_imports_no_layer_above_it(module: Module) -> list[str]:
    own = _layer_of(module.name)
    if own < 0 and not is_within(module.name, *BELOW_ALL_LAYERS):
        return []
    return [name for name in module.imports() if _layer_of(name) > own]


def the_client_needs_no_server(module: Module) -> list[str]:
    if not is_within(module.name, "context0.sdk"):
        return []
    return [name for name in module.imports() if is_within(name, *LAYERS, "context0.runtime", "stores")]


def only_the_root_and_registries_see_backends(module: Module) -> list[str]:
    if is_within(module.name, *SEES_BACKENDS) or module.name.endswith(".registry"):
        return []
    own = next((backend for backend in BACKENDS if is_within(module.name, f"stores.{backend}")), None)
    others = [f"stores.{backend}" for backend in BACKENDS if backend != own]
    return [name for name in module.imports() if is_within(name, *others)]


def only_the_coordinator_imports_agents(module: Module) -> list[str]:
    if module.name in ("context0.agents.coordinator", "context0.runtime"):
        return []
    others = [f"context0.agents.{agent}" for agent in AGENTS if not is_within(module.name, f"context0.agents.{agent}")]
    if is_within(module.name, "context0.agents"):
        others.append("context0.agents.coordinator")
    return [name for name in module.imports() if is_within(name, *others)]


def only_the_settings_read_the_environment(module: Module) -> list[str]:
    if module.name in READS_ENVIRONMENT:
        return []
    attributes = [node for node in ast.walk(module.tree) if isinstance(node, ast.Attribute)]
    reads = [module.place(node) for node in attributes if ast.unparse(node.value) == "os" and node.attr in _ENVIRONMENT]
    return reads + sorted(module.imports() & {f"os.{name}" for name in _ENVIRONMENT})


def blocking_work_has_one_place(module: Module) -> list[str]:
    """Threads are had by `stores.blocking.in_thread`, so that they are few, and named."""
    if module.name in HAS_THREADS:
        return []
    attributes = [node for node in ast.walk(module.tree) if isinstance(node, ast.Attribute)]
    made = [module.place(node) for node in attributes if node.attr in ("to_thread", "run_in_executor")]
    return made + sorted(module.imports() & {"concurrent.futures.ThreadPoolExecutor"})


def _layer_of(name: str) -> int:
    return next((number for number, layer in enumerate(LAYERS) if is_within(name, layer)), -1)


# --- how large things are


def a_module_is_short(module: Module) -> list[str]:
    lines = len(module.text.splitlines())
    return [f"{lines} lines"] if lines > MAX_MODULE_LINES else []


def functions_are_short(module: Module) -> list[str]:
    return [
        f"{module.place(function)} {name}: {length} lines"
        for name, function in module.functions()
        if (length := (function.end_lineno or 0) - function.lineno + 1) > MAX_FUNCTION_LINES
    ]


def functions_take_few_parameters(module: Module) -> list[str]:
    return [
        f"{module.place(function)} {name}: {count} parameters"
        for name, function in module.functions()
        if (count := _parameters_of(function)) > MAX_PARAMETERS
        if name not in WIDE_BY_CONTRACT and not _is_command(function)
    ]


def _parameters_of(function: Function) -> int:
    """Count the parameters but self, cls and **kwargs."""
    arguments = function.args
    names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    return len(names) - (names[:1] in (["self"], ["cls"])) + (arguments.vararg is not None)


def _is_command(function: Function) -> bool:
    """A command of the command line has a parameter for each of its options."""
    called = [item.func if isinstance(item, ast.Call) else item for item in function.decorator_list]
    return any(isinstance(item, ast.Attribute) and item.attr in ("command", "callback") for item in called)


# --- what every module does, and none


def a_module_says_what_it_owns(module: Module) -> list[str]:
    return [] if ast.get_docstring(module.tree) else ["no docstring"]


def no_error_is_swallowed_whole(module: Module) -> list[str]:
    handlers = [node for node in ast.walk(module.tree) if isinstance(node, ast.ExceptHandler)]
    calls = [node for node in ast.walk(module.tree) if isinstance(node, ast.Call)]
    silent = [node for node in handlers if _catches_everything(node.type) and all(map(_does_nothing, node.body))]
    suppressed = [
        node
        for node in calls
        if ast.unparse(node.func).endswith("suppress") and any(map(_catches_everything, node.args))
    ]
    return [module.place(node) for node in silent] + [module.place(node) for node in suppressed]


def _catches_everything(caught: ast.expr | None) -> bool:
    if isinstance(caught, ast.Tuple):
        return any(map(_catches_everything, caught.elts))
    return caught is None or ast.unparse(caught) in ("Exception", "BaseException")


def _does_nothing(statement: ast.stmt) -> bool:
    constant = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return constant or isinstance(statement, ast.Pass | ast.Continue)


def a_module_keeps_no_state(module: Module) -> list[str]:
    """Find the plain cases: what is declared global, and what a module binds to be filled or to live later on."""
    declared = [module.place(node) for node in ast.walk(module.tree) if isinstance(node, ast.Global)]
    return declared + [module.place(statement) for statement in module.tree.body if _binds_state(statement)]


def _binds_state(statement: ast.stmt) -> bool:
    if not isinstance(statement, ast.Assign | ast.AnnAssign):
        return False
    match statement.value:
        case ast.List(elts=items) | ast.Set(elts=items) | ast.Dict(values=items):
            return not items or not all(map(_is_constant, _names_bound_by(statement)))
        case ast.Call(func=func, args=args, keywords=keywords):
            called = ast.unparse(func).rpartition(".")[2]
            made_empty = called in _CONTAINERS and not args and not keywords
            return made_empty or called in _LIVE or called.endswith(_LIVE_ENDINGS)
    return False


def _names_bound_by(statement: ast.Assign | ast.AnnAssign) -> Iterator[str]:
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    return (ast.unparse(target) for target in targets)


def _is_constant(name: str) -> bool:
    return name.isupper() or name == "__all__"
