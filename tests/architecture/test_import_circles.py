"""No module of the package imports itself by way of others, imports within functions and for types included."""

from __future__ import annotations

import ast

from tests.architecture.source_tree import PACKAGE, python_files, syntax_tree


def _modules() -> dict[str, ast.Module]:
    found = {}
    for path in python_files():
        parts = ("chop", *path.relative_to(PACKAGE).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = syntax_tree(path)
    return found


def _imported(tree: ast.Module, known: set[str]) -> set[str]:
    """Modules that a file imports: of ``from a import b`` it is ``a.b`` where that is a module, else ``a``."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            found.update(name if name in known else str(node.module) for name in names)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return found & known


def circles(edges: dict[str, set[str]]) -> list[list[str]]:
    """Return the strongly connected components of more than one node (Tarjan, 1972)."""
    place: dict[str, int] = {}
    lowest: dict[str, int] = {}
    open_nodes: list[str] = []
    found = []

    def visit(node: str) -> None:
        place[node] = lowest[node] = len(place)
        open_nodes.append(node)
        for other in sorted(edges[node]):
            if other not in place:
                visit(other)
            if other in open_nodes:
                lowest[node] = min(lowest[node], lowest[other])
        if lowest[node] == place[node]:
            start = open_nodes.index(node)
            component = open_nodes[start:]
            del open_nodes[start:]
            if len(component) > 1:
                found.append(sorted(component))

    for node in sorted(edges):
        if node not in place:
            visit(node)
    return found


def test_the_search_finds_circles() -> None:
    edges = {"a": {"b"}, "b": {"c", "d"}, "c": {"a"}, "d": {"e"}, "e": {"d"}, "f": {"a"}}
    assert sorted(circles(edges)) == [["a", "b", "c"], ["d", "e"]]
    assert circles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_nothing_imports_itself_by_way_of_others() -> None:
    modules = _modules()
    assert len(modules) > 300
    edges = {name: _imported(tree, set(modules)) - {name} for name, tree in modules.items()}
    assert circles(edges) == []
