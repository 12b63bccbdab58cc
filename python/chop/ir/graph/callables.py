"""What a graph in a file may call: closed tables of functions, methods and attributes, by their names.

Beyond the op table these are the functions of torch and ``torch.nn.functional`` that torch.fx can trace, the tensor
methods that are their twins, and Python's operators. None of them reads files, runs code or hands out memory.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, fx
from torch.nn import functional
from torch.overrides import get_overridable_functions

from chop.ir.graph.ops import function_name, function_of, known_method

__all__ = ["attribute_is_known", "known_function", "method_is_known", "name_of_function"]

# Methods without a function of their name; each makes or describes a tensor, or fills its own.
_METHODS = """
    as_strided bfloat16 bool byte cauchy_ cdouble cfloat char coalesce contiguous copy_ cpu cuda dense_dim dim
    double element_size expand expand_as exponential_ fill_ fill_diagonal_ float geometric_ half index indices int
    is_contiguous item log_normal_ long ndimension nelement new_empty new_full new_ones new_tensor new_zeros normal_
    random_ repeat requires_grad_ reshape_as short size sparse_dim storage_offset stride sum_to_size to to_dense
    tolist type type_as uniform_ values view view_as zero_"""
_ATTRIBUTES = """
    H T data device dtype grad imag indices is_cpu is_cuda is_leaf is_meta is_mps is_nested is_quantized is_sparse
    is_xpu itemsize layout mH mT names nbytes ndim real requires_grad shape values
    index type is_complex is_floating_point is_signed"""


def name_of_function(function: Any) -> str | None:
    """Return the name under which a file holds a function, None for one that no table has.

    >>> name_of_function(torch.topk), name_of_function(operator.and_), name_of_function(print)
    ('torch.topk', '_operator.and_', None)
    """
    name = function_name(function)
    return name if known_function(name) is function else None


def known_function(name: str) -> Callable[..., Any] | None:
    """Return the function of that name, None for one that no table has."""
    return function_of(name) or _functions().get(name)


def method_is_known(name: str) -> bool:
    """True for a tensor method that a file may name."""
    return known_method(name) or name in _methods()


def attribute_is_known(name: Any) -> bool:
    """True for an attribute of a tensor, a device, a dtype or a named result (``values``) that a file may name."""
    return isinstance(name, str) and (name in _ATTRIBUTES.split() or name in _result_fields())


@functools.cache
def _functions() -> Mapping[str, Callable[..., Any]]:
    # What torch neither documents nor has as a method is internal.
    found = [f for f in _traceable() if f.__doc__ or hasattr(Tensor, f.__name__)]
    operators = [*fx.graph.magic_methods, *fx.graph.inplace_methods]
    found += [getattr(operator, name) for name in operators if hasattr(operator, name)]
    found += [f for name, f in vars(math).items() if callable(f) and not name.startswith("_")]
    return {function_name(f): f for f in reversed(found)}  # the first of a name wins


@functools.cache
def _methods() -> frozenset[str]:
    twins = {f.__name__ for f in _traceable()}
    names = {name for name in dir(Tensor) if not name.startswith("_")}
    return frozenset(name for name in names if name in twins or name.rstrip("_") in twins) | (
        set(_METHODS.split()) & names
    )


def _traceable() -> list[Callable[..., Any]]:
    known = get_overridable_functions()
    found = [f for space in (torch, torch.functional, functional) for f in known[space]]
    return [f for f in found if not isinstance(f, type) and not f.__name__.startswith("_")]


@functools.cache
def _result_fields() -> frozenset[str]:
    kinds = [kind for kind in vars(torch.return_types).values() if isinstance(kind, type)]
    fields = {name for kind in kinds if issubclass(kind, tuple) for name in dir(kind)}
    return frozenset(name for name in fields - set(dir(tuple)) if not name.startswith(("_", "n_")))
