"""The Python reference: one page for each part of the package, made from docstrings."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from types import ModuleType

# What has no meaning for a reader of the reference: the program's entry, the import hook, the compiled halves.
LEFT_OUT = ("chop.__main__", "chop._aliases", "chop._ops", "chop._core")


def python_pages() -> dict[str, str]:
    """File name -> text, with an index of all parts."""
    import chop

    parts = sorted(
        module.name for module in pkgutil.iter_modules(chop.__path__, "chop.") if module.name not in LEFT_OUT
    )
    pages = {f"{part}.md": _part_page(part) for part in parts}
    rows = "\n".join(f"| [{part}]({part}.md) | {_first_line(part)} |" for part in parts)
    tree = "\n".join(f"{part}.md" for part in parts)
    pages["index.md"] = (
        "# Python\n\n`import chop` gives the names that most programs need; the parts below hold the rest.\n\n"
        f"{_names_of('chop')}\n\n| part | what |\n|---|---|\n{rows}\n\n"
        f"```{{toctree}}\n:hidden:\n\n{tree}\n```\n"
    )
    return pages


def _part_page(part: str) -> str:
    modules = [part, *_below(part)]
    sections = [f"# {part}\n\n{_names_of(part)}\n"]
    for name in modules:
        title = "" if name == part else f"## {name}\n\n"
        sections.append(f"{title}```{{eval-rst}}\n.. automodule:: {name}\n```\n")
    return "\n".join(sections)


def _below(part: str) -> list[str]:
    module = importlib.import_module(part)
    if not hasattr(module, "__path__"):
        return []
    walked = pkgutil.walk_packages(module.__path__, f"{part}.")
    return sorted(m.name for m in walked if not any(word.startswith("_") for word in m.name.split(".")))


def _names_of(name: str) -> str:
    """Where the names that a package offers are described."""
    module = importlib.import_module(name)
    names = [f"{{py:obj}}`{public} <{place}>`" for public, place in sorted(_places(module).items())]
    return f"Names: {', '.join(names)}." if names else ""


def _places(module: ModuleType) -> Mapping[str, str]:
    found = {}
    for name in getattr(module, "__all__", ()):
        thing = getattr(module, name)
        home = getattr(thing, "__module__", None)
        if home and home.startswith("chop.") and home != module.__name__ and "._core" not in home:
            found[name] = f"{home}.{getattr(thing, '__qualname__', name)}"
    return found


def _first_line(name: str) -> str:
    doc = (importlib.import_module(name).__doc__ or "").strip()
    return doc.split("\n\n")[0].replace("\n", " ").replace("``", "`").replace("|", "\\|")
