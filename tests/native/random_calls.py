"""Calls every binding of the core and every operator with arguments of which some are wrong; run as a program.

    python -m tests.native.random_calls SEED CALLS

Ends with the count of calls and of results for each target, as JSON; with an assertion where a call raised what is no
refusal of its arguments; and with a signal where the core died.
"""

from __future__ import annotations

import faulthandler
import inspect
import json
import random
import re
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch

from chop._core import native
from chop.nn.quantizers.number_format import core_number
from tests.native import plausible

FIRST_ROUNDS = 8
REFUSALS = (TypeError, ValueError, IndexError, OverflowError)
CLASSES = {"Space": "SweepSpace", "Specification": "TrainingSpecification", "Options": "TrainingOptions"}
# torch itself judges what an operator's schema does not take, and which devices, layouts and dtypes have a kernel.
_TORCH_SAYS = re.compile(
    r"^chop::\w+\(\) (expected at most|Expected a value of type|is missing value|Unknown keyword|expected )"
    r"|^Could not run 'chop::\w+' with arguments from the '\w+' backend|^Cannot access storage of \w+TensorImpl"
    r"|^There were no tensor arguments to this function|Not yet supported ScalarType"
)
ATTRIBUTES = ("__init__", "__str__", "__repr__", "__len__", "__eq__")  # special names that are bound


class Target(NamedTuple):
    name: str
    arguments: tuple[str, ...]
    run: Callable[..., Any]  # of (object if it belongs to a class, *arguments)
    owner: str = ""  # class of the object, which comes first


def argument_names(doc: str) -> tuple[str, ...]:
    """Of pybind11's first line, ``name(self: A, x: object, y: tuple[int, int] = 3) -> B``."""
    return tuple(n for n in re.findall(r"[(,] ?(\w+): ", doc.splitlines()[0]) if n != "self")


def targets() -> Iterator[Target]:
    """Every function, constructor, method and property of the compiled module, and every operator."""
    for name, member in vars(native).items():
        if inspect.isbuiltin(member):
            yield Target(name, argument_names(member.__doc__), member)
        elif isinstance(member, type):
            yield from _of_class(name, member)
    for name in sorted(torch._C._dispatch_get_all_op_names()):
        if name.startswith("chop::"):
            operator = getattr(torch.ops.chop, name.removeprefix("chop::"))
            yield Target(name, tuple(a.name for a in operator.default._schema.arguments), operator)


def _of_class(name: str, member: type) -> Iterator[Target]:
    for attribute, found in vars(member).items():
        full = f"{name}.{attribute}"
        if isinstance(found, property):
            yield Target(full, (), found.fget, name)
            if found.fset is not None:
                yield Target(f"{full}=", (attribute,), found.fset, name)
        elif attribute == "__init__":
            yield Target(full, argument_names(found.__doc__), member)
        elif isinstance(found, staticmethod):
            yield Target(full, argument_names(found.__func__.__doc__), getattr(member, attribute))
        elif callable(found) and (not attribute.startswith("_") or attribute in ATTRIBUTES):
            named = ("other",) if attribute == "__eq__" else argument_names(found.__doc__ or "()")
            yield Target(full, named, found, name)


def wrong(r: random.Random) -> Any:
    """A thing of another type, shape, dtype, size or value than one would give."""
    number = r.choice([-1, 0, 1, 2, 1 << 31, -(1 << 31) - 1, (1 << 63) - 1, -(1 << 63), 1 << 64, -(1 << 70)])
    shape = r.choice([(0,), (), (1,), (3, 0), (0, 4), (70, 5), (2, 2, 2), (71, 4)])
    dtype = r.choice(
        [torch.float32, torch.float64, torch.int64, torch.uint8, torch.float16, torch.complex64, torch.bool]
    )
    base = torch.ones(6, 8)
    return r.choice(
        [
            lambda: None,
            lambda: number,
            lambda: r.choice([float("nan"), float("inf"), -float("inf"), -0.0, 1e300, 0.5, True]),
            lambda: r.choice(["", "x", "None", "\ud800", "ab\0c", "½" * 50, b"\xff\xfe", bytearray(3)]),
            lambda: r.choice(
                [[], (), {}, set(), [None], [None, None], {None: None}, {"": None}, [[None]], [(None, [])]]
            ),
            lambda: [number] * r.choice([1, 2, 5]),
            lambda: [[number]] * r.choice([1, 2]),
            lambda: {"weight": number, "bias": None},
            lambda: r.choice(
                [object(), type, len, Ellipsis, NotImplemented, lambda *a: None, iter([1]), range(3), 1j]
            ),
            lambda: (plausible.formats(r) for _ in range(2)),
            lambda: torch.ones(shape).to(dtype),
            lambda: torch.full(
                r.choice([(70, 4), (70, 3), (3, 2)]), r.choice([float("nan"), float("inf"), 1e38])
            ),
            lambda: torch.arange(70) + r.choice([0, 1, -1, 1 << 40]),
            lambda: r.choice(
                [base.t(), base[:, ::2], base[0].expand(70, 8), base.to_sparse(), base.to("meta")]
            ),
            lambda: r.choice([torch._neg_view(base), base.numpy(), torch.Size([70, 4]), torch.float32]),
            lambda: plausible.OBJECTS[r.choice(sorted(plausible.OBJECTS))](r),
            lambda: getattr(native, r.choice(sorted(plausible.OBJECTS))),
            lambda: _unmade(r),
        ]
    )()


def _unmade(r: random.Random) -> Any:
    owner = getattr(native, r.choice(sorted(plausible.OBJECTS)))
    return owner.__new__(owner)


def right(target: Target, argument: str, r: random.Random) -> Any:
    """Something that the argument may be: what is known of it, or an object of the class that the signature names."""
    method = target.name.rpartition(".")[2]
    known = plausible.ARGUMENTS
    for key in (f"{target.name}.{argument}", f"{method}.{argument}", argument):
        if key in known:
            return known[key](r)
    if argument == "config" or argument == "other":
        return plausible.OBJECTS["Formats"](r)
    owner = argument.capitalize()
    return plausible.OBJECTS[CLASSES.get(owner, owner)](r)


def format_argument(argument: str, r: random.Random) -> Any:
    """Of an operator of number formats: powers of two in 4 bits, in some shape."""
    known = {"format": core_number("log"), "numbers": [4.0, float(r.choice([-3, 3, 300]))], "top": 127}
    blocks = {"block_size": r.choice([[], [2], [-1, 3]]), "first_dim": r.choice([0, 1, 2, 3])}
    return torch.ones(2, 4, 5) if argument == "x" else {**known, **blocks}[argument]


def operator_argument(operator: str, argument: str, r: random.Random) -> Any:
    if operator == "chop::format_quantize":
        return format_argument(argument, r)
    flat = operator == "chop::linear_integer"
    if argument in ("x", "weight"):
        return torch.ones((3, 4) if flat else (2, 4, 5) if argument == "x" else (2, 4, 3))
    if argument in ("widths", "frac_widths"):  # of the channels of x
        return torch.tensor([0, 2, 4, 8], dtype=torch.int32).view(1, 4, 1)
    if argument == "bias":
        return r.choice([None, torch.ones(2)])
    if argument in ("stride", "dilation", "groups", "padding"):
        return 1
    return r.choice([0, 1]) if argument.endswith(("rounding", "overflow", "is_signed")) else r.choice([2, 8])


def arguments_for(target: Target, share: float, r: random.Random) -> list[Any]:
    """share: of the wrong ones."""
    made: list[Any] = []
    if target.owner:
        made.append(wrong(r) if r.random() < share / 8 else plausible.OBJECTS[target.owner](r))
    for argument in target.arguments:
        if r.random() < share:
            made.append(wrong(r))
        elif target.name.startswith("chop::"):
            made.append(operator_argument(target.name, argument, r))
        else:
            made.append(right(target, argument, r))
    if share and r.random() < 0.03:
        made.append(wrong(r))
    elif share and r.random() < 0.03:
        del made[-1:]
    return made


def is_refusal(target: Target, error: BaseException) -> bool:
    if isinstance(error, REFUSALS):
        return True
    is_operator = target.name.startswith("chop::") and isinstance(error, RuntimeError)
    return is_operator and _TORCH_SAYS.search(str(error)) is not None


def main(seed: int, calls: int) -> None:
    faulthandler.enable()
    warnings.simplefilter("ignore")
    r = random.Random(seed)
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    everything = list(targets())
    tried: Counter[str] = Counter()
    answered: Counter[str] = Counter()
    for place in range(calls):
        first = place < FIRST_ROUNDS * len(everything)  # all of them, with what they may be given
        target = everything[place % len(everything)] if first else r.choice(everything)
        given = arguments_for(target, 0.0 if first else r.choice([0.0, 0.1, 0.4, 1.0]), r)
        faulthandler.dump_traceback_later(60, exit=True)
        tried[target.name] += 1
        try:
            target.run(*given)
        except BaseException as error:
            if not is_refusal(target, error):
                sys.stderr.write(f"seed {seed}, call {place}: {target.name}{tuple(given)!r:.600}\n")
                raise
        else:
            answered[target.name] += 1
    faulthandler.cancel_dump_traceback_later()
    sys.stdout.write(json.dumps({"tried": tried, "answered": answered}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
