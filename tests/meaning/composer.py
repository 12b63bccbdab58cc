"""Composes models as text from blocks: each is tried on a few rows as soon as it is added."""

from __future__ import annotations

import functools
import warnings
import zlib
from collections.abc import Sequence
from random import Random
from typing import Any

import torch
import torch.utils.checkpoint
from torch import Tensor, nn

from tests.meaning.blocks import Block, Lines, all_blocks, fill
from tests.meaning.case import CLASSES, LIBRARY, Case, Shape

TRIAL_ROWS = 13
MOST_NUMBERS = 1500  # of a row
LARGEST = 300.0


class Draft:
    """A model in the making: the values so far live, on a few rows.

    Args:
        shape: of a row of the input.
        seed: of weights and data.
    """

    def __init__(self, shape: Shape, seed: int) -> None:
        torch.default_generator.manual_seed(seed)
        self.shape, self.seed = shape, seed
        self.values: dict[str, Tensor] = {"x": torch.randn(TRIAL_ROWS, *shape)}
        self.space: dict[str, Any] = {**LIBRARY, "self": nn.Module(), **self.values}
        self.arguments: list[str] = []
        self.init: list[str] = []
        self.forward: list[str] = []
        self.kinds: set[str] = set()

    @property
    def last(self) -> str:
        """Name of the newest value."""
        return next(reversed(self.values))

    def add(self, block: Block, text: str, source: str, other: str | None = None) -> bool:
        """Add a block; False, and nothing added, where it does not fit."""
        value = self.values[source]
        shape = tuple(value.shape[1:])
        number = len(self.values)
        result, module = f"h{number}", f"m{number}"
        lines = fill(text, source, other or source, result, module, shape, number)
        made = self._tried(lines, result)
        if made is None:
            return False
        self.values[result] = made
        self.arguments += lines.arguments
        self.init += lines.init
        self.forward += lines.forward
        self.kinds.add(block.kind)
        return True

    def _tried(self, lines: Lines, result: str) -> Tensor | None:
        before = {name: value.clone() for name, value in self.values.items()}
        try:
            with torch.no_grad(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                for argument in lines.arguments:
                    exec(_default(argument), self.space)
                for line in lines.init:
                    exec(line, self.space)
                self.space["self"].eval()
                for line in lines.forward:
                    exec(line, self.space)
            made = self.space[result]
        except Exception:
            made = None
        if _usable(made) and all(_usable(self.space[name]) for name in self.values):
            for name in self.values:  # names may be bound anew
                self.values[name] = self.space[name]
            return made
        self.values = before
        self.space.update(before)
        return None

    def case(self, name: str, outputs: tuple[str, ...], head: bool = True) -> Case:
        """The model; with a head, a linear layer makes logits of the outputs side by side."""
        init, forward = list(self.init), list(self.forward)
        parts = [f"{each}.flatten(1)" if self.values[each].dim() != 2 else each for each in outputs]
        joined = parts[0] if len(parts) == 1 else f"torch.cat([{', '.join(parts)}], 1)"
        if head:
            size = sum(self.values[each][0].numel() for each in outputs)
            init.append(f"self.head = nn.Linear({size}, {CLASSES})")
            forward.append(f"return self.head({joined})")
        else:
            forward.append(f"return {outputs[0]}")
        signature = ", ".join(["self", "x", *sorted(self.arguments, key=_place)])
        source = "\n".join(
            [
                "class Net(nn.Module):",
                *_indented(["def __init__(self):"], 1),
                *_indented(["super().__init__()", *init], 2),
                *_indented([f"def forward({signature}):"], 1),
                *_indented(forward, 2),
            ]
        )
        return Case(name, source + "\n", self.shape, frozenset(self.kinds), self.seed)


def _indented(lines: list[str], depth: int) -> list[str]:
    return ["    " * depth + part for line in lines for part in line.split("\n")]


def _default(argument: str) -> str:
    if argument.startswith("**"):
        return f"{argument[2:]} = {{}}"
    if argument.startswith("*,"):
        return argument[2:].strip()
    return f"{argument[1:]} = ()" if argument.startswith("*") else argument


def _place(argument: str) -> int:
    """Order of a signature: plain arguments, then the rest."""
    return argument.count("*") if argument[:2] != "*," else 1


def _usable(value: Any) -> bool:
    return (
        isinstance(value, Tensor)
        and value.dtype == torch.float32
        and 2 <= value.dim() <= 5
        and value.shape[0] == TRIAL_ROWS
        and 0 < value[0].numel() <= MOST_NUMBERS
        and bool(value.isfinite().all())
        and float(value.detach().abs().max()) < LARGEST
    )


_REFUSED = frozenset({"state"})  # as it must be, so that little would be left to compare
_NOT_BY_ROWS = frozenset({"mixing", "chance"})
SHAPES: tuple[Shape, ...] = ((6,), (8,), (3, 8), (4, 6), (2, 4, 5), (4, 4, 4))
_STARTS = (
    "{o} = {h} * 1",
    "nn.Linear({n}, {n})",
    "nn.Linear({n}, {n})",
    "nn.Sequential(nn.Linear({n}, {n}), nn.ReLU())",
)


@functools.cache
def listed_cases(kind: str | None = None, most: int = 1) -> tuple[Case, ...]:
    """Each block (of one kind) by itself behind a linear layer, in at most ``most`` of its forms."""
    found: dict[str, Case] = {}
    start = Block(frozenset((1, 2, 3)), "layer", "nn.Linear({n}, {n})")
    for block in all_blocks():
        if kind in (None, block.kind):
            for number in range(min(most, block.forms())):
                case = _listed(block, number, start)
                if case is not None:
                    found.setdefault(case.name, case)
    return tuple(found.values())


def _listed(block: Block, number: int, start: Block) -> Case | None:
    first = zlib.crc32(block.code.encode()) % 1000
    # Some forms fit no shape of the list, or are no Python: the next one that fits takes their place.
    for attempt in range(30):
        text = block.form(first + number + 7 * attempt)
        for shape in SHAPES:
            if len(shape) in block.ranks:
                draft = Draft(shape, zlib.crc32(text.encode()) % 1000)
                draft.add(start, start.code, "x")
                if draft.add(block, text, "h1", "x"):
                    name = f"{text} #{len(shape)}"
                    case = draft.case(name, (draft.last,))
                    if block.kind in _NOT_BY_ROWS or runs(case):
                        return case
    return None


def random_case(seed: int, without: frozenset[str] = frozenset(), of: Sequence[Block] = ()) -> Case:
    """A model of two to nine blocks that torch runs on any number of rows.

    Args:
        seed: decides everything.
        without: kinds of blocks that are left out.
        of: blocks to compose from, instead of all.
    """
    random = Random(seed)
    blocks = [block for block in of or all_blocks() if block.kind not in (without | _NOT_BY_ROWS)]
    while True:
        case = _composed(random, seed, blocks)
        if runs(case):
            return case


def runs(case: Case) -> bool:
    """Whether torch gives usable numbers for two numbers of rows."""
    try:
        model = case.model().eval()
        with torch.no_grad():
            found = [model(case.data(rows)) for rows in (TRIAL_ROWS, TRIAL_ROWS + 4)]
    except Exception:
        return False
    return _usable(found[0]) and found[1].shape == (TRIAL_ROWS + 4, *found[0].shape[1:])


def _composed(random: Random, seed: int, blocks: list[Block]) -> Case:
    draft = Draft(random.choice(SHAPES), seed)
    start = Block(frozenset((1, 2, 3)), "layer", random.choice(_STARTS))
    draft.add(start, start.code, "x")
    wanted, added = random.randint(1, 8), 0
    for _ in range(80):
        names = list(draft.values)
        source = names[-1] if random.random() < 0.7 else random.choice(names)
        value = draft.values[source]
        same = [name for name in names if draft.values[name].shape == value.shape]
        block = random.choice(blocks)
        if value.dim() - 1 in block.ranks and (block.kind not in _REFUSED or random.random() < 0.1):
            added += draft.add(block, block.chosen(random), source, random.choice(same))
        if added == wanted:
            break
    outputs = [draft.last]
    if random.random() < 0.4:
        outputs = list(
            dict.fromkeys([*outputs, *random.sample(list(draft.values), min(2, len(draft.values)))])
        )
    return draft.case(f"seed {seed}", tuple(outputs), head=random.random() < 0.9)
