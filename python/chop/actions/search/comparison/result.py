"""What a comparison of samplers found, as frames and in words."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from chop.tools.text_tables import html_table, text_table

if TYPE_CHECKING:
    import pandas as pd

    from chop.actions.search.comparison.truth import Truth

_HEADERS = ("sampler", "missing after 1/4", "1/2", "all trials", "distance", "trials to 1 %", "seconds")


@dataclasses.dataclass(frozen=True, repr=False)
class SamplerComparison:
    """What :func:`compare_samplers` returns.

    Attributes:
        frame: a row for each trial, see ``chop.actions.search.comparison.curves.curve``, with ``sampler``, ``seed``
            and ``seconds``.
        summary: a row for each sampler, see ``chop.actions.search.comparison.curves.summary``.
        truth: what all are measured against.
        names: of the objectives.
        scales: of each, what a trial's value is multiplied with; ``frame`` has objectives as measured.
        files: written.
    """

    frame: pd.DataFrame
    summary: pd.DataFrame
    truth: Truth
    names: tuple[str, ...]
    scales: tuple[float, ...]
    files: tuple[Path, ...] = ()

    def __repr__(self) -> str:
        return f"{self._words()}\n{text_table(_HEADERS, self._cells())}"

    def _repr_html_(self) -> str:
        return html_table(_HEADERS, self._cells(), self._words())

    def _words(self) -> str:
        front = (
            f"front of {len(self.truth.front)}"
            if len(self.names) > 1
            else f"optimum {self.truth.front[0, 0] / self.scales[0]:.6g}"
        )
        kind = "hypervolume" if len(self.names) > 1 else "way to the optimum"
        return (
            f"Samplers on {', '.join(self.names)}; {front}, from {self.truth.words}. "
            f"Missing: the share of the true {kind}, median [quartiles] over the seeds."
        )

    def _cells(self) -> list[tuple[str, ...]]:
        return [_cells(row) for row in self.summary.to_dict("records")]


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    gaps = [
        f"{_percent(row[f'gap_{mark}'])} [{_percent(row[f'gap_{mark}_low'])} … {_percent(row[f'gap_{mark}_high'])}]"
        for mark in ("quarter", "half", "all")
    ]
    near = "never" if np.isinf(row["within_1_percent"]) else f"{row['within_1_percent']:.0f}"
    near += f" ({row['reached']} of {row['seeds']} runs)"
    return str(row["sampler"]), *gaps, f"{row['distance_all']:.3g}", near, f"{row['seconds']:.3g}"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
