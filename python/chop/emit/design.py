"""A circuit with its ports and the net that it stands for; equal nets have equal digests."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from chop.emit.cells import Circuit, CircuitError
from chop.emit.host import Port, input_port, output_port
from chop.emit.lower import lower, ports_of
from chop.emit.options import Wanted
from chop.emit.verilog import module
from chop.evaluator import Config, Evaluator
from chop.integers import IntegerNet, NotIntegerError, QuantizedView, integer_net, quantized_view
from chop.integers.fixed_input import with_fixed_input
from chop.tools.errors import ConfigError


@dataclass(frozen=True)
class Design:
    """What is written.

    Attributes:
        net: the integer net, with its host parts.
        circuit: its whole numbers from the input port to the output port.
        x, y: the ports.
        wanted: how it was asked for.
    """

    net: IntegerNet
    circuit: Circuit
    x: Port
    y: Port
    wanted: Wanted

    @cached_property
    def verilog(self) -> str:
        """The source of the module ``net``."""
        latency = f"{self.wanted.latency} clock edges from x to y" if self.wanted.latency else "combinational"
        notes = f"A quantized network, {len(self.x.widths)} numbers in, {len(self.y.widths)} out, {latency}."
        return module(self.circuit, (self.x.widths, self.y.widths), self.wanted.latency, notes)

    @property
    def verilog_digest(self) -> str:
        """SHA-256 of the source."""
        return hashlib.sha256(self.verilog.encode()).hexdigest()


def design_of(evaluator: Evaluator, config: Config, wanted: Wanted) -> Design:
    """Return the circuit of a model under a config.

    Raises:
        ConfigError: it is no arithmetic on whole numbers, not exact, not finite, or too large; names the node.
    """
    view = quantized_view(evaluator, config)
    _check_finite(view)
    try:
        net = integer_net(view)
        if wanted.input_format is not None:
            net = with_fixed_input(net, wanted.input_format)
        return design_of_net(net, wanted)
    except NotIntegerError as error:
        raise ConfigError(f"emit: node {error.node}: {error.reason}") from None
    except CircuitError as error:
        raise ConfigError(f"emit: {error}") from None


def design_of_net(net: IntegerNet, wanted: Wanted) -> Design:
    """Return the circuit of an integer net.

    Raises:
        NotIntegerError, CircuitError: as :func:`chop.emit.lower.lower`.
    """
    ports = ports_of(net, raw=wanted.input_format is not None)
    if not ports.outputs:
        raise NotIntegerError(net.operations[0].node, "nothing of it is quantized")
    circuit = lower(net, ports, wanted.way)
    return Design(net, circuit, input_port(ports.inputs), output_port(ports.outputs, circuit), wanted)


def _check_finite(view: QuantizedView) -> None:
    for node in view:
        for name, values in node.values.items():
            if not np.isfinite(values).all():
                raise ConfigError(
                    f"emit: node {node.name}: {name} has NaN or infinity, which no code stands for"
                )


def digest(net: IntegerNet, way: str) -> str:
    """Return the SHA-256 of what a circuit depends on: the operations on codes, and how sums are found."""
    found = hashlib.sha256(way.encode())
    for op in net.operations:
        o = op.output
        if o.frac_width is None:
            continue
        row = [op.kind, op.inputs, o.name, o.shape, o.frac_width, o.low, o.high, sorted(op.settings.items())]
        found.update(json.dumps(row, default=list).encode())
        for key in sorted(op.constants):
            found.update(np.ascontiguousarray(op.constants[key]).tobytes())
    return found.hexdigest()
