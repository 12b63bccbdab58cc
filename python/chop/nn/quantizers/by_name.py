"""The quantizers' functions by name, as MASE spells the table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from chop.nn.quantizers.spec import QUANTIZERS


class _QuantizerMap(Mapping[str, Callable[..., Any]]):
    """``name -> function`` view of ``QUANTIZERS``, as MASE spells it."""

    def __getitem__(self, name: str) -> Callable[..., Any]:
        return QUANTIZERS[name].function

    def __iter__(self) -> Iterator[str]:
        return (name for name, spec in QUANTIZERS.items() if spec.is_a_quantizer)

    def __len__(self) -> int:
        return sum(1 for _ in self)


quantizer_map: Mapping[str, Callable[..., Any]] = _QuantizerMap()
