"""What models are composed of: lines of ``blocks/*.txt``.

A line is ``ranks kind | code``. The ranks are those of the source value, its batch left out. The code is a module to
construct, an expression, or statements that set ``{o}``; ``init => forward`` constructs first, ``@name=default`` in
front adds an argument to the model's forward, ``;;`` parts statements. ``<<a|b>>`` is one of the alternatives. Marks:
``{h}`` the source, ``{g}`` another value of its shape, ``{o}`` the result, ``{m}`` a new name, ``{c}``, ``{a}``,
``{n}`` the first, second last and last size of the source, ``{s}`` all of them, ``{p}`` their product.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

_CHOICE = re.compile(r"<<(.*?)>>")
_FOLDER = Path(__file__).with_name("blocks")
_MODULE = re.compile(r"nn\.[A-Z]|[A-Z][a-z]")


@dataclass(frozen=True, slots=True)
class Lines:
    """A block filled in: arguments of forward, statements of ``__init__`` and of ``forward``."""

    arguments: tuple[str, ...]
    init: tuple[str, ...]
    forward: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """One line of the files.

    Args:
        ranks: ranks of the source that it takes.
        kind: what it is about.
        code: its text with marks.
    """

    ranks: frozenset[int]
    kind: str
    code: str

    def forms(self) -> int:
        """How many different texts the alternatives give."""
        return math.prod(len(found.split("|")) for found in _CHOICE.findall(self.code))

    def chosen(self, random: Random) -> str:
        """The text with the alternatives chosen."""
        return _CHOICE.sub(lambda found: random.choice(found[1].split("|")), self.code)

    def form(self, number: int) -> str:
        """The text of one of the :meth:`forms`; neighbouring numbers differ in every choice."""

        def choose(found: re.Match[str]) -> str:
            nonlocal number
            parts = found[1].split("|")
            place, number = number % len(parts), number // len(parts) + number
            return parts[place]

        return _CHOICE.sub(choose, self.code)


@cache
def all_blocks() -> tuple[Block, ...]:
    """The blocks of all files, in order."""
    found = []
    for path in sorted(_FOLDER.glob("*.txt")):
        for line in path.read_text().splitlines():
            if line and not line.startswith("#"):
                head, _, code = line.partition(" | ")
                ranks, kind = head.split()
                found.append(Block(frozenset(map(int, ranks)), kind, code.strip()))
    return tuple(found)


def fill(
    text: str, source: str, other: str, result: str, module: str, shape: tuple[int, ...], number: int
) -> Lines:
    """Put names and sizes into a chosen text."""
    marks = {
        "h": source, "g": other, "o": result, "m": module, "c": shape[0], "n": shape[-1],
        "a": shape[-2] if len(shape) > 1 else 1, "s": ", ".join(map(str, shape)), "p": math.prod(shape),
    }  # fmt: skip
    is_module = "=>" not in text and "{o}" not in text and _MODULE.match(text.lstrip()) is not None
    for mark, value in marks.items():
        text = text.replace(f"{{{mark}}}", str(value))
    arguments: tuple[str, ...] = ()
    if text.startswith("@"):
        argument, _, text = text[1:].partition(" => ")
        arguments, text = (argument.strip(),), f" => {text}"
    init, arrow, forward = text.partition(" => ")
    if is_module:
        init, forward = f"self.{module} = {text}", f"{result} = self.{module}({source})"
    elif not arrow:
        init, forward = "", text
    if not re.search(rf"\b{result}\b", forward):
        forward = f"{result} = {forward}"
    return Lines(arguments, _statements(init), _statements(forward))


def _statements(text: str) -> tuple[str, ...]:
    return tuple(part.strip().replace("\\n", "\n") for part in text.split(";;") if part.strip())
