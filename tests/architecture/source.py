"""Reads the project's own source: modules, imports, functions."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """One file: `name` is its import path ("stores.sqlite.documents"), a package's its folder's."""

    path: Path
    text: str

    @property
    def name(self) -> str:
        return ".".join(self.path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")

    @property
    def package(self) -> str:
        return self.name if self.path.stem == "__init__" else self.name.rpartition(".")[0]

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path.name)

    def place(self, node: ast.stmt | ast.expr | ast.excepthandler) -> str:
        return f"{self.path.relative_to(ROOT)}:{node.lineno}"

    def imports(self) -> set[str]:
        """Return every module or name that is imported anywhere in the file, also for types only, as absolute paths."""
        return {name for node in ast.walk(self.tree) for name in self._imported_by(node)}

    def functions(self) -> Iterator[tuple[str, Function]]:
        """Yield each function with its name inside the module, such as "MemoryEngine.add"."""
        yield from _functions_in(self.tree, "")

    def _imported_by(self, node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            parents = self.package.split(".")[: len(self.package.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*parents, *([node.module] if node.module else [])])
            yield from (f"{source}.{alias.name}" for alias in node.names)


def modules_in(*folders: str) -> list[Module]:
    """Return the modules of `folders`, sorted by name."""
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return [Module(path, path.read_text(encoding="utf-8")) for path in paths]


def is_within(name: str, *packages: str) -> bool:
    """Say whether `name` is one of the modules `packages` or something inside."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def _functions_in(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function):
            yield f"{prefix}{child.name}", child
        inner = f"{prefix}{child.name}." if isinstance(child, Function | ast.ClassDef) else prefix
        yield from _functions_in(child, inner)
