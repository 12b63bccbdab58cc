"""The C++ reference: the headers, folder by folder in the order of the ladder, with what their comments say."""

from __future__ import annotations

import re
from pathlib import Path

# Left to right as folders may include each other, each with what it holds.
LADDER = {
    "core": "fixed-point formats, the registry, the choice of an instruction set, threads",
    "kernels": "raw pointers in, raw pointers out; one source, compiled once for each instruction set",
    "ir": "the immutable graph: operations, shapes, checks, a text form",
    "quantizers": "number formats with a native quantizer",
    "statistics": "statistics of tensors, in one pass",
    "cost": "what a graph costs, from stored shapes",
    "evaluator": "a graph and a config become kernel calls; metrics and certificates",
    "search": "whole spaces, and the front of their results",
    "trainer": "training on the lowered graph",
    "ops": "`torch.ops.chop.*` on LibTorch's stable ABI",
    "bindings": "the only folder that knows pybind11",
}


def cpp_pages(source: Path) -> dict[str, str]:
    """File name -> text: a page for each folder that has headers, and an index."""
    present = {name: _headers(source / name) for name in LADDER}
    present = {name: headers for name, headers in present.items() if headers}
    pages = {f"{name}.md": _folder_page(name, headers, source) for name, headers in present.items()}
    rows = "\n".join(f"| [{name}]({name}.md) | {LADDER[name]} |" for name in present)
    tree = "\n".join(f"{name}.md" for name in present)
    pages["index.md"] = (
        "# C++\n\nThe headers of the core. A folder includes only folders above it in this table; "
        "neither torch nor Python is needed to compile what stands above `ops`.\n\n"
        f"| folder of `cpp/chop` | what |\n|---|---|\n{rows}\n\n```{{toctree}}\n:hidden:\n\n{tree}\n```\n"
    )
    return pages


def _headers(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.h")) if folder.is_dir() else []


def _folder_page(name: str, headers: list[Path], source: Path) -> str:
    sections = [f"# {name}\n\n{LADDER[name][0].upper()}{LADDER[name][1:]}.\n"]
    for path in headers:
        about, code = _split(path.read_text(encoding="utf-8"))
        title = path.relative_to(source.parent).as_posix()
        sections.append(f"## {title}\n\n{_escaped(about)}\n\n```cpp\n{code}\n```\n")
    return "\n".join(sections)


def _split(text: str) -> tuple[str, str]:
    """The comment that opens a header, and its declarations without includes."""
    lines = text.splitlines()
    about = []
    while lines and lines[0].startswith("//"):
        about.append(lines.pop(0).removeprefix("//").strip())
    kept = [line for line in lines if not re.match(r"\s*#\s*(pragma once|include)", line)]
    code = re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip("\n")
    return " ".join(about), code


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>|$])", r"\\\1", text)
