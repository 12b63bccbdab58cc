"""An integer net as C++17: constants, then one line or loop an operation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.resources import files

import numpy as np

from chop.integers import IntegerNet, Operation
from chop.integers.elementwise import ends_of
from chop.integers.net import Tensor

_ROUNDING = {"half_even": 0, "floor": 1, "half_up": 2}
_WIDTH = 118  # of the lines of numbers


def header(net: IntegerNet, name: str) -> str:
    """Return the source of the header; ``name`` is its namespace."""
    writer = _Writer(net)
    runtime = files("chop.export").joinpath("cpp_runtime.h").read_text(encoding="utf-8")
    first, last = net.operations[0].output, net.output
    constants, body = "\n".join(writer.constants), "\n".join(f"  {line}" for line in writer.lines)
    return f"""// A quantized network in whole numbers. Written by chop; needs C++17 and nothing else.
#pragma once
#include <cmath>
#include <cstdint>

namespace {name} {{

{runtime}
constexpr int inputs = {first.size}, outputs = {last.size};  // numbers a row

{constants}

// One row: {list(first.shape)} float32 in, {list(last.shape)} out, in C order.
inline void predict(const float* input, float* output) {{
{body}
}}

}}  // namespace {name}
"""


def kind_of(low: int, high: int) -> str:
    """Return the narrowest type of 8, 16, 32 or 64 bits that holds a range.

    >>> kind_of(-128, 127), kind_of(0, 128), kind_of(0, 2**31)
    ('std::int8_t', 'std::int16_t', 'std::int64_t')
    """
    bits = next(b for b in (8, 16, 32, 64) if -(1 << (b - 1)) <= low and high < 1 << (b - 1))
    return f"std::int{bits}_t"


def array(name: str, values: np.ndarray) -> str:
    """Return the definition of a constant array."""
    flat = values.reshape(-1)
    if values.dtype == np.float32:
        kind, words = "float", [number(v) for v in flat]
    else:
        kind, words = kind_of(int(flat.min()), int(flat.max())), [str(v) for v in flat.tolist()]
    lines, line = [], ""
    for word in words:
        if len(line) + len(word) + 1 > _WIDTH:
            lines.append(line)
            line = ""
        line += f"{word},"
    return f"constexpr {kind} {name}[{len(flat)}] = {{\n" + "\n".join([*lines, line.rstrip(",")]) + "};"


def number(value: float) -> str:
    """Return a float32 as a literal that is exact.

    >>> number(np.float32(0.5)), number(np.float32(-3)), number(np.float32("inf"))
    ('0.5f', '-3.0f', 'HUGE_VALF')
    """
    v = float(value)
    if not np.isfinite(v):
        return "NAN" if np.isnan(v) else "HUGE_VALF" if v > 0 else "-HUGE_VALF"
    short = repr(v)
    return f"{short}f" if len(short) <= 8 and "e" not in short else f"{v.hex()}f"


class _Writer:
    def __init__(self, net: IntegerNet) -> None:
        self.net = net
        self.constants: list[str] = []
        self.lines: list[str] = []
        self.names: dict[str, str] = {}
        self.tensors = {op.output.name: op.output for op in net.operations}
        for place, op in enumerate(net.operations):
            self._write(op, f"{'x' if op.output.frac_width is None else 'c'}{place}")

    def _write(self, op: Operation, name: str) -> None:
        if op.kind == "input":
            self.names[op.output.name] = "input"
            return
        if op.kind == "reshape":
            self.names[op.output.name] = self.names[op.inputs[0]]
            return
        if op.output.name == self.net.output.name:
            name = "output"
        else:
            self.lines.append(f"{self.kind(op.output)} {name}[{op.output.size}];")
        self.names[op.output.name] = name
        _KINDS[op.kind](self, op, name, *(self.names[n] for n in op.inputs))

    def kind(self, tensor: Tensor) -> str:
        """The type of a tensor on the stack."""
        if tensor.frac_width is None:
            return "float"
        return "int64_t" if kind_of(tensor.low, tensor.high) == "std::int64_t" else "std::int32_t"

    def constant(self, values: np.ndarray) -> str:
        """Add a constant array and return its name."""
        name = f"k{len(self.constants)}"
        self.constants.append(array(name, values))
        return name

    def each(self, op: Operation, name: str, value: str) -> None:
        """One loop over the numbers of the output; ``i`` counts."""
        kind = self.kind(op.output)
        self.lines.append(
            f"for (int i = 0; i < {op.output.size}; ++i) {name}[i] = static_cast<{kind}>({value});"
        )

    def channel(self, op: Operation) -> str:
        """The channel of the number ``i``."""
        behind = op.output.size // op.output.shape[0]
        return "i" if behind == 1 else f"i / {behind}"

    def quantize(self, op: Operation, name: str, x: str) -> None:
        s, o = op.settings, op.output
        rule = f"<{o.low}, {o.high}, {_ROUNDING[s['rounding']]}, {str(s['overflow'] == 'wrap').lower()}>"
        self.each(op, name, f"quantize{rule}({x}[i], {number(2.0 ** int(o.frac_width or 0))})")

    def requantize(self, op: Operation, name: str, x: str) -> None:
        s, o = op.settings, op.output
        rule = f"{o.low}, {o.high}, {_ROUNDING[s['rounding']]}, {str(s['overflow'] == 'wrap').lower()}"
        self.each(op, name, f"requantize<{s['shift']}, {rule}>({x}[i])")

    def affine(self, op: Operation, name: str, x: str) -> None:
        a, b = (f"{self.constant(op.constants[k])}[{self.channel(op)}]" for k in ("factor", "offset"))
        if self.net.fuses_batch_norm:
            self.each(op, name, f"std::fma({x}[i], {a}, {b})")
            return
        self.lines.append(f"for (int i = 0; i < {op.output.size}; ++i) {{")
        self.lines.append(
            f"  const volatile float product = {x}[i] * {a};  // two roundings, whatever the processor has"
        )
        self.lines.append(f"  {name}[i] = product + {b};\n  }}")

    def float_function(self, op: Operation, name: str, x: str) -> None:
        attributes = {k: v for k, v in op.settings.items() if k != "function"}
        low, high = ends_of(op.settings["function"], attributes)
        value = f"{x}[i]"
        if low is not None:
            value = f"{x}[i] < {number(low)} ? {number(low)} : {value}"
        if high is not None:
            value = f"{x}[i] > {number(high)} ? {number(high)} : {value}"
        self.each(op, name, value)

    def value(self, op: Operation, name: str, x: str) -> None:
        scale = number(2.0 ** -op.settings["frac_width"])
        self.each(op, name, f"static_cast<float>({x}[i]) * {scale}")

    def clamp(self, op: Operation, name: str, x: str) -> None:
        o = op.output
        value = f"{x}[i] < {o.low} ? {o.low} : {x}[i]"
        before = self.tensors[op.inputs[0]]
        self.each(op, name, f"{x}[i] > {o.high} ? {o.high} : {value}" if o.high < before.high else value)

    def linear(self, op: Operation, name: str, x: str) -> None:
        weight, out = op.constants["weight"], op.output
        w, b = (self.constant(op.constants[k]) for k in ("weight", "bias"))
        rows, columns = weight.shape
        call = f"linear<{self.kind(out)}, {rows}, {columns}>"
        count = out.size // rows
        if count == 1:
            self.lines.append(f"{call}({w}, {b}, {x}, {name});")
        else:
            step = f"{x} + i * {columns}, {name} + i * {rows}"
            self.lines.append(f"for (int i = 0; i < {count}; ++i) {call}({w}, {b}, {step});")
        self.rounded(op, name)

    def conv(self, op: Operation, name: str, x: str) -> None:
        s, weight = op.settings, op.constants["weight"]
        w, b = (self.constant(op.constants[k]) for k in ("weight", "bias"))
        windows = self.windows(op, list(weight.shape[2:]), list(s["padding"][::2]))
        sizes = f"{weight.shape[0]}, {weight.shape[1]}, {int(s['groups'])}"
        self.lines.append(f"convolve<{self.kind(op.output)}>({w}, {b}, {x}, {name}, {sizes}, {windows});")
        self.rounded(op, name)

    def rounded(self, op: Operation, name: str) -> None:
        """The evaluator keeps float32: a sum that it cannot hold is rounded once."""
        if op.settings["rounded"]:
            self.each(op, name, f"static_cast<float>({name}[i])")

    def windows(self, op: Operation, kernel: Sequence[int], before: Sequence[int]) -> str:
        s, shape = op.settings, self.tensors[op.inputs[0]].shape
        columns = zip(shape[1:], op.output.shape[1:], kernel, s["stride"], before, s["dilation"], strict=True)
        found = [f"Window{{{', '.join(str(int(v)) for v in column)}}}" for column in columns]
        return ", ".join([*found, *["Window{1, 1, 1, 1, 0, 1}"] * (2 - len(found))])

    def pool(self, op: Operation, name: str, x: str) -> None:
        s = op.settings
        windows = self.windows(op, s["kernel_size"], s["padding"])
        largest = str(op.kind == "max_pool").lower()
        self.lines.append(f"pool<{largest}>({x}, {name}, {op.output.shape[0]}, {windows});")

    def line(self, op: Operation, name: str, x: str) -> None:
        keys = ("factor", "offset", "shift", "least", "most")
        a, b, s, low, high = (f"{self.constant(op.constants[k])}[c]" for k in keys)
        kind = self.kind(op.output)
        self.lines.append(f"for (int i = 0; i < {op.output.size}; ++i) {{")
        self.lines.append(f"  const int c = {self.channel(op)};")
        self.lines.append(f"  const int64_t v = (int64_t{{{x}[i]}} * {a} + {b}) >> {s};")
        self.lines.append(
            f"  {name}[i] = static_cast<{kind}>(v < {low} ? {low} : v > {high} ? {high} : v);\n  }}"
        )

    def steps(self, op: Operation, name: str, x: str) -> None:
        levels, kind = op.constants["steps"].shape[1], self.kind(op.output)
        sign, first = (f"{self.constant(op.constants[k])}[c]" for k in ("sign", "first"))
        steps = self.constant(op.constants["steps"])
        self.lines.append(f"for (int i = 0; i < {op.output.size}; ++i) {{")
        self.lines.append(f"  const int c = {self.channel(op)};")
        self.lines.append(f"  const int64_t v = int64_t{{{x}[i]}} * {sign};")
        self.lines.append(f"  int64_t code = {first};")
        self.lines.append(
            f"  for (int k = 0; k < {levels}; ++k) code += v >= {steps}[c * {levels} + k] ? 1 : 0;"
        )
        self.lines.append(f"  {name}[i] = static_cast<{kind}>(code);\n  }}")

    def arithmetic(self, op: Operation, name: str, a: str, b: str) -> None:
        sign = {"add": "+", "sub": "-", "mul": "*"}[op.kind]
        self.each(op, name, f"int64_t{{{a}[i]}} {sign} int64_t{{{b}[i]}}")

    def shift(self, op: Operation, name: str, x: str) -> None:
        self.each(op, name, f"int64_t{{{x}[i]}} * {1 << op.settings['bits']}")

    def gather(self, op: Operation, name: str, x: str) -> None:
        k = self.constant(op.constants["indices"])
        padded = (op.constants["indices"] < 0).any()
        self.each(op, name, f"{k}[i] < 0 ? 0 : {x}[{k}[i] < 0 ? 0 : {k}[i]]" if padded else f"{x}[{k}[i]]")

    def cat(self, op: Operation, name: str, *parts: str) -> None:
        axis, shape, kind = op.settings["axis"], op.output.shape, self.kind(op.output)
        before = int(np.prod(shape[:axis], dtype=np.int64))
        row, start = op.output.size // before, 0
        for part, tensor in zip(parts, (self.tensors[n] for n in op.inputs), strict=True):
            size = tensor.size // before
            source, target = f"{part}[i * {size} + j]", f"{name}[i * {row} + {start} + j]"
            loops = f"for (int i = 0; i < {before}; ++i) for (int j = 0; j < {size}; ++j)"
            self.lines.append(f"{loops} {target} = static_cast<{kind}>({source});")
            start += size


_KINDS: dict[str, Callable[..., None]] = {
    "quantize": _Writer.quantize,
    "requantize": _Writer.requantize,
    "affine": _Writer.affine,
    "float": _Writer.float_function,
    "value": _Writer.value,
    "clamp": _Writer.clamp,
    "linear": _Writer.linear,
    "conv": _Writer.conv,
    "max_pool": _Writer.pool,
    "sum_pool": _Writer.pool,
    "multiply_add_shift": _Writer.line,
    "thresholds": _Writer.steps,
    "add": _Writer.arithmetic,
    "sub": _Writer.arithmetic,
    "mul": _Writer.arithmetic,
    "shift": _Writer.shift,
    "gather": _Writer.gather,
    "cat": _Writer.cat,
}
