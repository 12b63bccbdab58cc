"""An integer net as C++17: constants, then one line or loop an operation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from chop.export.cpp_text import array, kind_of, number, pieces
from chop.integers import IntegerNet, Operation
from chop.integers.elementwise import ends_of

_ROUNDING = {"half_even": 0, "floor": 1, "half_up": 2}
_WITHIN_32 = frozenset({"int8_t", "int16_t", "int32_t"})


def header(net: IntegerNet, name: str) -> str:
    """Return the source of the header; ``name`` is its namespace."""
    writer = _Writer(net)
    runtime = pieces(writer.uses)
    first, last = net.operations[0].output, net.output
    constants, body = "\n".join(writer.constants), "\n".join(f"  {line}" for line in writer.lines)
    return f"""// A quantized network in whole numbers. Written by chop; needs C++17 and nothing else.
#pragma once
#include <cmath>
#include <stdint.h>

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


class _Writer:
    def __init__(self, net: IntegerNet) -> None:
        self.net = net
        self.constants: list[str] = []
        self.lines: list[str] = []
        self.uses: set[str] = set()  # parts of the runtime
        self.tensor_kinds: dict[str, str] = {}
        self.names: dict[str, str] = {}
        self.tensors = {op.output.name: op.output for op in net.operations}
        self.plane = any(op.kind == "conv" and op.constants["weight"].ndim == 4 for op in net.operations)
        for place, op in enumerate(net.operations):
            self._write(op, f"{'x' if op.output.frac_width is None else 'c'}{place}")

    def _write(self, op: Operation, name: str) -> None:
        if op.kind == "input":
            self.names[op.output.name], self.tensor_kinds[op.output.name] = "input", "float"
            return
        if op.kind == "reshape":
            for table in (self.names, self.tensor_kinds):
                table[op.output.name] = table[op.inputs[0]]
            return
        if op.output.name == self.net.output.name:
            name = "output"
        else:
            self.lines.append(f"{self.kind(op)} {name}[{op.output.size}];")
        self.names[op.output.name], self.tensor_kinds[op.output.name] = name, self.kind(op)
        _KINDS[op.kind](self, op, name, *(self.names[n] for n in op.inputs))

    def kind(self, op: Operation) -> str:
        """The type of an output on the stack: codes in 16 bits where they fit, for which processors have products."""
        if op.output.frac_width is None:
            return "float"
        if op.kind in {"linear", "conv"}:  # partial sums pass the range of the whole, and rounding may by one
            return "int32_t" if op.settings["bits"] < 32 else "int64_t"
        return {"int8_t": "int16_t"}.get(found := kind_of(op.output.low, op.output.high), found)

    def constant(self, values: np.ndarray) -> str:
        """Add a constant array and return its name."""
        name = f"k{len(self.constants)}"
        self.constants.append(array(name, values))
        return name

    def each(self, op: Operation, name: str, value: str) -> None:
        """One loop over the numbers of the output; ``i`` counts."""
        value = value if op.kind == "value" else f"{self.kind(op)}({value})"
        self.lines.append(f"for (int i = 0; i < {op.output.size}; ++i) {name}[i] = {value};")

    def channel(self, op: Operation) -> str:
        """The channel of the number ``i``."""
        behind = op.output.size // op.output.shape[0]
        return "i" if behind == 1 else f"i / {behind}"

    def quantize(self, op: Operation, name: str, x: str) -> None:
        rule, s = self.rule(op), op.settings
        self.uses |= {"quantize", f"quantize_{s['rounding']}"}
        if s["overflow"] == "wrap":
            self.uses |= {"quantize_wrap", "requantize", "guarded", "wrap"}
        self.each(op, name, f"quantize<{rule}>({x}[i], {number(2.0 ** int(op.output.frac_width or 0))})")

    def requantize(self, op: Operation, name: str, x: str) -> None:
        s = op.settings
        self.uses |= {"requantize", s["rounding"], s["overflow"]}
        small = {self.tensor_kinds[op.inputs[0]], kind_of(op.output.low, op.output.high)} <= _WITHIN_32
        kind = "int32_t" if small and 0 <= s["shift"] < 31 else "int64_t"  # 32 bits are quicker
        parts = (("finer", s["shift"] < 0), ("far", s["shift"] > 62), ("guarded", not 0 < s["shift"] < 63))
        self.uses |= {piece for piece, used in parts if used}
        self.each(op, name, f"requantize<{kind}, {s['shift']}, {self.rule(op)}>({x}[i])")

    def rule(self, op: Operation) -> str:
        """What quantizers take: ends, rounding, overflow."""
        s, o = op.settings, op.output
        rounding, wraps = _ROUNDING[s["rounding"]], s["overflow"] == "wrap"
        return (
            f"{o.low}, {o.high}"
            + (f", {rounding}" if rounding or wraps else "")
            + (", true" if wraps else "")
        )

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
        self.each(op, name, f"float({x}[i]) * {scale}")

    def clamp(self, op: Operation, name: str, x: str) -> None:
        o = op.output
        value = f"{x}[i] < {o.low} ? {o.low} : {x}[i]"
        before = self.tensors[op.inputs[0]]
        self.each(op, name, f"{x}[i] > {o.high} ? {o.high} : {value}" if o.high < before.high else value)

    def linear(self, op: Operation, name: str, x: str) -> None:
        self.uses.add("linear")
        weight, out = op.constants["weight"], op.output
        w, b = (self.constant(op.constants[k]) for k in ("weight", "bias"))
        rows, columns = weight.shape
        call = f"linear<{self.kind(op)}, {rows}, {columns}>"
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
        groups, before = int(s["groups"]), list(s["padding"][::2])
        if self.plane:
            self.uses |= {"windows", "linear", "conv2"}
            windows, kernel = self.windows(op, list(weight.shape[2:]), before), [*weight.shape[2:], 1][:2]
        else:
            self.uses |= {"linear", "conv1"}
            shape, kernel = self.tensors[op.inputs[0]].shape, list(weight.shape[2:])
            columns = shape[1], op.output.shape[1], s["stride"][0], before[0], s["dilation"][0]
            windows = ", ".join(str(int(v)) for v in columns)
        shapes = (len(weight) // groups, weight.shape[1], *kernel)
        call = f"convolve<{self.kind(op)}, {', '.join(str(n) for n in shapes)}>"
        places = [w, b, x, name]
        if groups > 1:
            steps = weight.size, len(weight), self.tensors[op.inputs[0]].size, op.output.size
            places = [f"{each} + g * {n // groups}" for each, n in zip(places, steps, strict=True)]
            call = f"for (int g = 0; g < {groups}; ++g) {call}"
        self.lines.append(f"{call}({', '.join(places)}, {windows});")
        self.rounded(op, name)

    def rounded(self, op: Operation, name: str) -> None:
        """The evaluator keeps float32: a sum that it cannot hold is rounded once."""
        if op.settings["rounded"]:
            self.each(op, name, f"float({name}[i])")

    def windows(self, op: Operation, kernel: Sequence[int], before: Sequence[int]) -> str:
        s, shape = op.settings, self.tensors[op.inputs[0]].shape
        columns = zip(shape[1:], op.output.shape[1:], kernel, s["stride"], before, s["dilation"], strict=True)
        found = [f"Window{{{', '.join(str(int(v)) for v in column)}}}" for column in columns]
        return ", ".join([*found, *["Window{1, 1, 1, 1, 0, 1}"] * (2 - len(found))])

    def pool(self, op: Operation, name: str, x: str) -> None:
        self.uses |= {"windows", "pool"}
        s = op.settings
        windows = self.windows(op, s["kernel_size"], s["padding"])
        largest = str(op.kind == "max_pool").lower()
        self.lines.append(f"pool<{largest}>({x}, {name}, {op.output.shape[0]}, {windows});")

    def line(self, op: Operation, name: str, x: str) -> None:
        keys = ("factor", "offset", "shift", "least", "most")
        a, b, s, low, high = (f"{self.constant(op.constants[k])}[c]" for k in keys)
        kind = self.kind(op)
        self.lines.append(f"for (int i = 0; i < {op.output.size}; ++i) {{")
        self.lines.append(f"  const int c = {self.channel(op)};")
        self.lines.append(f"  const int64_t v = (int64_t{{{x}[i]}} * {a} + {b}) >> {s};")
        self.lines.append(f"  {name}[i] = {kind}(v < {low} ? {low} : v > {high} ? {high} : v);\n  }}")

    def steps(self, op: Operation, name: str, x: str) -> None:
        self.uses.add("steps")
        levels, channel = op.constants["steps"].shape[1], self.channel(op)
        sign, first = (f"{self.constant(op.constants[k])}[{channel}]" for k in ("sign", "first"))
        steps = self.constant(op.constants["steps"])
        self.each(
            op,
            name,
            f"{first} + reached<{levels}>({steps} + {channel} * {levels}, int64_t{{{x}[i]}} * {sign})",
        )

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
        axis, shape, kind = op.settings["axis"], op.output.shape, self.kind(op)
        before = int(np.prod(shape[:axis], dtype=np.int64))
        row, start = op.output.size // before, 0
        for part, tensor in zip(parts, (self.tensors[n] for n in op.inputs), strict=True):
            size = tensor.size // before
            source, target = f"{part}[i * {size} + j]", f"{name}[i * {row} + {start} + j]"
            loops = f"for (int i = 0; i < {before}; ++i) for (int j = 0; j < {size}; ++j)"
            self.lines.append(f"{loops} {target} = {kind}({source});")
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
