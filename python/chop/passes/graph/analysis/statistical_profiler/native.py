"""The statistics of the core as Python classes, made from what the core says about each."""

from __future__ import annotations

import math
from inspect import Parameter, Signature
from typing import Any, ClassVar

import torch
from torch import Tensor

from chop import _core
from chop.passes.graph.analysis.statistical_profiler.samples import (
    Dims,
    as_tensor,
    batch_dims,
    check_dims,
    kept_shape,
    to_rows,
)
from chop.passes.graph.analysis.statistical_profiler.stat_base import STAT_NAME_TO_CLS, StatBase
from chop.registry import did_you_mean
from chop.tools.errors import ConfigError


class NativeStat(StatBase):
    """A statistic that the core computes in one pass over each sample, in double precision.

    Args:
        device: where :meth:`compute` puts its tensors; the arithmetic is on the CPU. None: the CPU.
        dims: "all" reduces every element; None none, so that equal places of the samples are compared; a list
            reduces these dimensions of each sample and the samples.
        arguments: the statistic's own, see ``arguments`` of the class.

    NaN are left out and counted: results then have a ``nan_count``. ``count`` is the number of elements
    behind each result. Results are float64 tensors of the shape that ``dims`` leaves; "NA" stands where there
    are too few numbers (MASE behaviour).

    Raises:
        ConfigError: a bad argument, an empty sample, one whose shape does not go with the earlier ones, or
            results asked for before the first sample.
    """

    arguments: ClassVar[dict[str, Any]] = {}

    def __init__(self, device: Any = None, dims: Dims = "all", **arguments: Any) -> None:
        for key in arguments:
            if key not in self.arguments:
                known = ("device", "dims", *self.arguments)
                hint = did_you_mean(key, known)
                raise ConfigError(
                    f"{self.name}: argument {key!r} is not known{hint}; known: {', '.join(known)}"
                )
        try:
            self.device = torch.device(device if device is not None else "cpu")
            self.dims = check_dims(dims, self.name)
            self._core = _core.Statistic(self.name, {**arguments, "elementwise": dims is None})
        except ConfigError:
            raise
        except (RuntimeError, TypeError, ValueError) as error:
            # pybind11's refusal of a type lists all overloads; the first line says enough.
            text = str(error).splitlines()[0]
            raise ConfigError(text if text.startswith(self.name) else f"{self.name}: {text}") from None
        self.kept: tuple[int, ...] | None = None

    def update_a_sample(self, sample: Any) -> None:
        """Take a tensor, a number or a list."""
        tensor = as_tensor(sample, self.name)
        self._add(tensor, self.dims, kept_shape(tensor.shape, self.dims, self.name))

    def update_a_batch(self, batch: Tensor) -> None:
        """Take each row of a batch as a sample, all in one call."""
        tensor = as_tensor(batch, self.name)
        if tensor.dim() == 0:
            return self.update_a_sample(tensor)
        kept = kept_shape(torch.Size([1, *tensor.shape[1:]]), self.dims, self.name)
        self._add(tensor, batch_dims(tensor.shape, self.dims, self.name), kept)

    def _add(self, tensor: Tensor, reduced: Dims, kept: tuple[int, ...]) -> None:
        self._expect(kept)
        self._core.update(to_rows(tensor, reduced, self.name), math.prod(kept))

    def _expect(self, kept: tuple[int, ...]) -> None:
        if self.kept is not None and kept != self.kept:
            raise ConfigError(
                f"{self.name}: with dims {self.dims} every sample must leave the shape {list(self.kept)}, "
                f"got {list(kept)}"
            )
        self.kept = kept

    def merge(self, other: NativeStat) -> None:
        """Add what another statistic of the same name and arguments has seen, of another thread for instance.

        Raises:
            ConfigError: another name, other arguments or other shapes.
        """
        if type(other) is not type(self) or other.dims != self.dims:
            raise ConfigError(f"{self.name}: can only be merged with a {self.name} of the same dims")
        try:
            if other.kept is not None:
                self._expect(other.kept)
            self._core.merge(other._core)
        except ConfigError:
            raise
        except ValueError as error:
            raise ConfigError(str(error)) from None

    def compute(self) -> dict[str, Any]:
        """Return field -> float64 tensor (counts: a number, or int64 where groups differ) or "NA"."""
        fields, counts, nans, shows_count = self._results()
        results: dict[str, Any] = {}
        for field, data, per_group, missing, integral in fields:
            values = torch.frombuffer(data, dtype=torch.float64)
            shape = (self.kept or ()) if per_group == 1 else (*(self.kept or ()), per_group)
            values = values.reshape(shape).to(torch.int64 if integral else torch.float64)
            results[field] = "NA" if missing else values.to(self.device)
        if shows_count:
            results["count"] = self._count(counts)
        nan_count = self._count(nans)
        if isinstance(nan_count, Tensor) or nan_count > 0:
            results["nan_count"] = nan_count
        return results

    def _results(self) -> tuple[list[tuple[str, bytearray, int, bool, bool]], bytearray, bytearray, bool]:
        if self.kept is None:
            raise ConfigError(f"{self.name}: no sample was given yet")
        return self._core.compute()

    def _count(self, data: bytearray) -> int | Tensor:
        counts = torch.frombuffer(data, dtype=torch.int64)
        if bool((counts == counts[0]).all()):
            return int(counts[0])
        return counts.reshape(self.kept or ()).to(self.device)


class Record(NativeStat):
    """Keeps the data themselves, joined along the first dimension.

    Args:
        device: where :meth:`compute` puts the data. None: the CPU.
        add_new_dim_before_concat: join along a new first dimension.

    ``count`` is the number of samples, ``size_in_bytes`` the size of the data in their own dtype.
    """

    def __init__(self, device: Any = None, add_new_dim_before_concat: bool = False) -> None:
        super().__init__(device)
        self.add_new_dim_before_concat = add_new_dim_before_concat
        self.count = 0
        self.rest: tuple[int, ...] = ()
        self.dtype: torch.dtype | None = None

    def update_a_sample(self, sample: Any) -> None:
        tensor = as_tensor(sample, self.name)
        self._append(tensor[None] if self.add_new_dim_before_concat or tensor.dim() == 0 else tensor, 1)

    def update_a_batch(self, batch: Tensor) -> None:
        tensor = as_tensor(batch, self.name)
        if tensor.dim() == 0:
            return self.update_a_sample(tensor)
        self._append(tensor[:, None] if self.add_new_dim_before_concat else tensor, len(tensor))

    def _append(self, tensor: Tensor, samples: int) -> None:
        self._expect_rest(tuple(tensor.shape[1:]))
        self._core.update(to_rows(tensor, "all", self.name), 1)
        self.kept, self.count = (), self.count + samples
        self.dtype = tensor.dtype if self.dtype is None else torch.promote_types(self.dtype, tensor.dtype)

    def _expect_rest(self, rest: tuple[int, ...]) -> None:
        if self.count and rest != self.rest:
            raise ConfigError(
                "record: samples must agree in all but the first dimension, "
                f"got {list(rest)} after {list(self.rest)}"
            )
        self.rest = rest

    def merge(self, other: NativeStat) -> None:
        if isinstance(other, Record) and other.count:
            if other.add_new_dim_before_concat != self.add_new_dim_before_concat:
                raise ConfigError(
                    "record: can only be merged with a record of the same add_new_dim_before_concat"
                )
            self._expect_rest(other.rest)
            assert other.dtype is not None
            self.dtype = other.dtype if self.dtype is None else torch.promote_types(self.dtype, other.dtype)
        super().merge(other)
        self.count += getattr(other, "count", 0)

    def compute(self) -> dict[str, Any]:
        ((_, data, _, _, _),), _, nans, _ = self._results()
        values = torch.frombuffer(data, dtype=torch.float64).reshape(-1, *self.rest).to(self.dtype)
        results = {
            "data": values.to(self.device),
            "count": self.count,
            "size_in_bytes": values.numel() * values.element_size(),
        }
        nan_count = self._count(nans)
        return {**results, "nan_count": nan_count} if nan_count else results


def _make(name: str, arguments: dict[str, Any]) -> type[NativeStat]:
    """The class of one native statistic; its signature shows the statistic's own arguments."""
    class_name = "".join(part.capitalize() for part in name.split("_"))
    parameters = [
        Parameter(key, Parameter.POSITIONAL_OR_KEYWORD, default=default)
        for key, default in {"device": None, "dims": "all", **arguments}.items()
    ]

    def __init__(self: NativeStat, *args: Any, **kwargs: Any) -> None:
        positional = dict(zip(("device", "dims", *arguments), args, strict=False))
        if len(args) > len(parameters) or positional.keys() & kwargs.keys():
            raise TypeError(f"{class_name} takes each of {', '.join(p.name for p in parameters)} once")
        NativeStat.__init__(self, **positional, **kwargs)

    listed = ", ".join(f"{key}={value!r}" for key, value in arguments.items()) or "none"
    return type(
        class_name,
        (NativeStat,),
        {
            "__doc__": f"``{name}`` of the core; its own arguments: {listed}. See :class:`NativeStat`.",
            "__init__": __init__,
            "__module__": __name__,
            "__signature__": Signature(parameters),
            "arguments": arguments,
            "name": name,
        },
    )


Record.name = "record"
for _name, _arguments in _core.statistics().items():
    STAT_NAME_TO_CLS[_name] = Record if _name == "record" else _make(_name, _arguments)

AbsMean = STAT_NAME_TO_CLS["abs_mean"]
Histogram = STAT_NAME_TO_CLS["histogram"]
Moments = STAT_NAME_TO_CLS["moments"]
RangeMinMax = STAT_NAME_TO_CLS["range_min_max"]
RangeNSigma = STAT_NAME_TO_CLS["range_n_sigma"]
RangeQuantile = STAT_NAME_TO_CLS["range_quantile"]
VarianceOnline = STAT_NAME_TO_CLS["variance_online"]
VariancePrecise = STAT_NAME_TO_CLS["variance_precise"]
