"""Work of calls that have no rule: what torch does within them is counted, call by call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from chop.cost import attention, convolutions  # noqa: F401  they add rules
from chop.cost.attention import scaled_dot_product
from chop.cost.work import RULES, UNKNOWN, Applied, Product, Work, products, tensors_of, words
from chop.ir.graph.op_rows import OP_ROWS

# Layers that have a road of their own past torch's functions, whose kernels do not know every kind of tensor.
FUSED = frozenset({"multihead_attention"})
_MOVES = frozenset(
    words("""clone copy copy_ _to_copy empty empty_like empty_strided new_empty zeros zeros_like new_zeros zero_ ones
    ones_like new_ones full full_like new_full fill fill_ arange eye linspace scalar_tensor lift_fresh lift_fresh_copy
    cat stack index index_put index_put_ index_select gather scatter scatter_ embedding slice_scatter select_scatter
    constant_pad_nd reflection_pad1d reflection_pad2d reflection_pad3d replication_pad1d replication_pad2d
    replication_pad3d roll flip repeat tril triu alias _unsafe_view detach set_ resize_ unfold im2col pixel_shuffle
    pixel_unshuffle channel_shuffle native_dropout dropout bernoulli_ rand randn rand_like randn_like
    repeat_interleave rot90 upsample_nearest1d upsample_nearest2d upsample_nearest3d""")
)
_REDUCTIONS = frozenset(words("cumsum cumprod cummax cummin logcumsumexp median argmin argmax prod any all"))
_NORMS = {
    "native_layer_norm": 5,
    "native_group_norm": 5,
    "_softmax": 5,
    "_log_softmax": 5,
    "native_batch_norm": 4,
    "_native_batch_norm_legit": 4,
    "_native_batch_norm_legit_no_training": 4,
    "cudnn_batch_norm": 4,
    "_fused_rms_norm": 4,
}


class Tally:
    """Adds up what is called while it counts."""

    def __init__(self) -> None:
        self.work, self.products = 0.0, list[Product]()
        self.unknown: list[str] = []  # calls that nobody can count
        self.only_views = True
        self._depth = 0

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count what this thread calls inside."""
        with _Calls(self), _Functions(self):
            yield

    @contextmanager
    def unfused(self) -> Iterator[None]:
        """Count nothing, but keep layers from fused roads, which they leave where functions are watched."""
        with self.paused(), _Functions(self):
            yield

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave what is called inside uncounted."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1

    @property
    def is_paused(self) -> bool:
        return self._depth > 0

    def add(self, found: Work) -> None:
        """Add the work of one call."""
        self.work += found.work
        self.products += found.products
        self.only_views = self.only_views and found.is_view

    def total(self) -> Work:
        """The work of all calls; unknown as soon as one of them is."""
        if self.unknown:
            return Work(UNKNOWN, (Product(UNKNOWN, UNKNOWN),))
        return Work(self.work, tuple(self.products), is_view=self.only_views)


@cache
def _ruled_functions() -> Mapping[Any, str]:
    """Functions whose work their rule says better than what they are made of: products, norms, windows."""
    composed = {
        *(
            "linear",
            "bilinear",
            "attention",
            "upsample",
            "rms_norm",
            "layer_norm",
            "group_norm",
            "instance_norm",
        ),
        *("batch_norm", "softmax", "log_softmax"),
        *(op for op in RULES if op.startswith(("conv", "avg_pool", "max_pool", "adaptive"))),
    }
    found = {f: row.mase_op for row in OP_ROWS if row.mase_op in composed for f in row.functions}
    functional = torch.nn.functional
    more = [functional.embedding_bag, functional.multi_head_attention_forward, functional.conv_transpose3d]
    more += [functional.max_pool3d, functional.avg_pool3d]
    return found | {function: function.__name__ for function in more}


class _Functions(TorchFunctionMode):
    """Counts known functions as the same layers are counted. While it is on, layers take no fused road."""

    def __init__(self, tally: Tally) -> None:
        super().__init__()
        self.tally = tally

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        op = None if self.tally.is_paused else _ruled_functions().get(func)
        if op is None:
            return func(*args, **kwargs)
        with self.tally.paused():
            result = func(*args, **kwargs)
        self.tally.add(RULES[op](Applied(op, None, args, kwargs, result)))
        return result


class _Calls(TorchDispatchMode):
    """Counts what is left when functions have come down to torch's own kernels."""

    def __init__(self, tally: Tally) -> None:
        super().__init__()
        self.tally = tally

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if not self.tally.is_paused and tensors_of(result):
            found = _of_kernel(func, args, kwargs, result)
            if found is None:
                self.tally.unknown.append(str(func))
            else:
                self.tally.add(found)
        return result


def _of_kernel(func: Any, args: Any, kwargs: Mapping[str, Any], result: Any) -> Work | None:
    packet = func._overloadpacket
    name = packet.__name__
    if func.is_view or name == "_unsafe_view":
        return Work(is_view=True)
    if name in _MOVES or func.namespace not in ("aten", "prims"):
        return Work() if name in _MOVES else None
    if name.startswith("_scaled_dot_product"):
        return scaled_dot_product(args[0], args[1], args[2], masked=False)
    if packet in flop_registry:
        out = tensors_of(result)[0]
        macs = flop_registry[packet](*args, **kwargs, out_val=result) / 2
        biased = name in ("addmm", "baddbmm") or (name == "convolution" and args[2] is not None)
        return products(Product(macs, out.numel(), biased))
    return _of_vectors(name, args, result) or _of_elements(func, name, args, result)


def _of_vectors(name: str, args: Any, result: Any) -> Work | None:
    """Products that torch's own counter leaves out."""
    if name in ("mv", "dot", "vdot"):
        return products(Product.of(result.numel(), args[0].shape[-1]))
    if name in ("addmv", "addr"):
        return products(Product.of(result.numel(), args[1].shape[-1] if name == "addmv" else 1, True))
    return None


def _of_elements(func: Any, name: str, args: Any, result: Any) -> Work | None:
    out: Tensor = tensors_of(result)[0]
    if name in _NORMS:
        return Work(float(_NORMS[name] * out.numel()))
    if torch.Tag.pointwise in func.tags:
        return Work(float(out.numel()))
    sources = tensors_of(args)
    if sources and (torch.Tag.reduction in func.tags or name in _REDUCTIONS):
        return Work(float(sources[0].numel()))
    return None
