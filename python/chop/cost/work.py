"""What a call of torch is worth: elementary operations, and the sums of products in it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from torch import Tensor, nn

UNKNOWN = math.nan


@dataclass(frozen=True, slots=True)
class Product:
    """Sums of products.

    Attributes:
        macs: products in all.
        outputs: how many sums.
        biased: whether one number is added to each.
        padded: of all products, those with a zero that only pads.
        hgq2_biases: how many biases HGQ2 counts; None: one a sum.
        tap_uses: of a convolution, for each place of the kernel, how many places of the output it gives a product that
            no padding meets; empty: all alike.
    """

    macs: float
    outputs: float
    biased: bool = False
    padded: float = 0.0
    hgq2_biases: float | None = None
    tap_uses: tuple[int, ...] = ()

    @classmethod
    def of(cls, outputs: float, terms: float, biased: bool = False) -> Self:
        """Sums of ``terms`` products each."""
        return cls(outputs * terms, outputs, biased)


@dataclass(frozen=True, slots=True)
class Work:
    """What a call does.

    Attributes:
        work: elementary operations, NaN where they are not known.
        products: the sums of products among them.
        features: channels of a batch norm, else 0.
        is_view: whether the result is the input in another arrangement.
    """

    work: float = 0.0
    products: tuple[Product, ...] = ()
    features: int = 0
    is_view: bool = False

    @property
    def macs(self) -> float:
        """Multiply-accumulates of all products."""
        return sum(product.macs for product in self.products)


@dataclass(frozen=True, slots=True)
class Applied:
    """A call with its result; of tensors only the shapes are read.

    Args:
        op: operation, as the op table names it.
        module: what was called; None for functions and methods.
        args, kwargs: what it was called with.
        result: what it gave.
    """

    op: str
    module: nn.Module | None
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    result: Any

    def get(self, name: str, place: int, default: Any = None) -> Any:
        """The module's attribute, or the function's argument of that name and place."""
        if self.module is not None:
            return getattr(self.module, name, default)
        return self.args[place] if place < len(self.args) else self.kwargs.get(name, default)

    def operand(self, place: int, *names: str) -> Tensor:
        """A tensor that the call takes, by place or by any of its names."""
        if place < len(self.args):
            return self.args[place]
        found = [self.kwargs[name] for name in names if name in self.kwargs] or list(self.kwargs.values())
        return found[0]

    @property
    def input(self) -> Tensor:
        """The first tensor."""
        return self.operand(0, "input", "x", "query")

    @property
    def output(self) -> Tensor:
        """The result, or the first of several."""
        return self.result if isinstance(self.result, Tensor) else tensors_of(self.result)[0]


Rule = Callable[[Applied], Work]


def tensors_of(value: Any) -> list[Tensor]:
    """Return the tensors in a value, which may be a nest of tuples, lists and dicts."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (tuple, list)):
        return [tensor for part in value for tensor in tensors_of(part)]
    return []


def products(*found: Product, more: float = 0.0) -> Work:
    """Return the work of products, one for each multiplication, and ``more`` besides."""
    return Work(sum(p.macs for p in found) + more, found)


def _nothing(call: Applied) -> Work:
    return Work()


def _view(call: Applied) -> Work:
    return Work(is_view=True)


def _per_output(times: float) -> Rule:
    return lambda call: Work(times * call.output.numel())


def _per_input(call: Applied) -> Work:
    return Work(float(call.input.numel()))


def _batch_norm(call: Applied) -> Work:
    y = call.output
    return Work(4.0 * y.numel(), features=y.shape[1] if y.dim() > 1 else y.shape[0])


def _linear(call: Applied) -> Work:
    biased = call.get("bias", 2) is not None
    return products(Product.of(call.output.numel(), call.get("weight", 1).shape[-1], biased))


def _bilinear(call: Applied) -> Work:
    weight, y = call.get("weight", 2), call.output
    pairs = weight.shape[1] * weight.shape[2]  # multiplied once for all outputs of a row
    return products(
        Product.of(y.numel(), pairs, call.get("bias", 3) is not None),
        more=y.numel() / weight.shape[0] * pairs,
    )


def _matrices(call: Applied) -> Work:
    return products(Product.of(call.output.numel(), call.input.shape[-1]))


def _pool(call: Applied) -> Work:
    spatial = int(call.op[-2])
    kernel = call.get("kernel_size", 1)
    sides = [kernel] * spatial if isinstance(kernel, int) else list(kernel)
    return Work(float(call.output.numel() * math.prod(sides * (spatial if len(sides) == 1 else 1))))


_TAPS = {"linear": 2, "bilinear": 4, "trilinear": 8, "bicubic": 16}


def _upsample(call: Applied) -> Work:
    mode = str(call.get("mode", 3, "nearest"))
    return _per_input(call) if mode == "area" else Work(float(_TAPS.get(mode, 0) * call.output.numel()))


def _embedding_bag(call: Applied) -> Work:
    # F.embedding_bag takes the table in either place.
    table = call.get("weight", 1)
    indices = call.input
    if indices.is_floating_point():
        table, indices = indices, table
    return Work(float(indices.numel() * table.shape[-1]))


_GATES = {"lstm": (4, 9), "gru": (3, 7), "rnn": (1, 1)}  # products, and other operations, per hidden unit


def _recurrent(call: Applied) -> Work:
    layer: Any = call.module
    x = call.input
    gates, others = _GATES[call.op]
    directions = 2 if layer.bidirectional else 1
    rows, hidden, projected = x.numel() / x.shape[-1], layer.hidden_size, layer.proj_size
    out = projected or hidden
    found = []
    for number in range(layer.num_layers):
        width = layer.input_size if number == 0 else directions * out
        for _ in range(directions):
            found += [Product.of(rows * gates * hidden, terms, layer.bias) for terms in (width, out)]
            if projected:
                found.append(Product.of(rows * projected, hidden))
    return products(*found, more=others * rows * hidden * layer.num_layers * directions)


def words(text: str) -> list[str]:
    """Return the words of a table that reads better as text."""
    return text.split()


_VIEWS = """flatten unflatten view reshape permute transpose t unsqueeze squeeze getitem select narrow expand chunk
    split identity detach contiguous clone dropout slice alpha_dropout feature_alpha_dropout"""
_NOTHING = "embedding pad cat stack repeat flip roll index_select to getattr assert size dim numel"
_ELEMENTWISE = """relu relu6 leaky_relu prelu elu selu celu hardswish hardsigmoid hardtanh sigmoid logsigmoid tanh gelu
    silu mish softplus softsign add sub mul div floordiv remainder pow neg abs exp log sqrt rsqrt square sign round
    floor clamp clamp_min clamp_max minimum maximum where masked_fill eq ne gt ge lt le"""
_POOLS = [f"{kind}_pool{n}d" for kind in ("avg", "max") for n in (1, 2, 3)]
_ADAPTIVE = [f"adaptive_{pool}" for pool in _POOLS]

# Of the operations that are no compositions of others.
RULES: dict[str, Rule] = {
    **dict.fromkeys(words(_VIEWS), _view),
    **dict.fromkeys(words(_NOTHING), _nothing),
    **dict.fromkeys(words(_ELEMENTWISE), _per_output(1)),
    **dict.fromkeys(words("batch_norm batch_norm1d batch_norm2d batch_norm3d"), _batch_norm),
    **dict.fromkeys(words("layer_norm group_norm softmax log_softmax softmax2d"), _per_output(5)),
    **dict.fromkeys(words("instance_norm instance_norm3d"), _per_output(5)),
    "rms_norm": _per_output(4),
    **dict.fromkeys(_POOLS, _pool),
    **dict.fromkeys([*_ADAPTIVE, "mean", "sum"], _per_input),
    **dict.fromkeys(words("upsample interpolate"), _upsample),
    "embedding_bag": _embedding_bag,
    "linear": _linear,
    "bilinear": _bilinear,
    **dict.fromkeys(words("matmul bmm mm"), _matrices),
    **dict.fromkeys(_GATES, _recurrent),
}
