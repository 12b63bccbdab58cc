"""What a trial gives: its figures, its config, and where its weights are."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

Measured = dict[str, float]


def merged(parts: Iterable[Measured]) -> Measured:
    """Return the figures of several runners as one table."""
    found: Measured = {}
    for part in parts:
        found.update(part)
    return found


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a trial gives.

    Attributes:
        values: the objective values, in the order of the sorted metric names; one value where they are
            summed.
        software, hardware: metrics as measured.
        scaled: metric times scale, for the metrics of the config only, sorted by name.
        config: the sampled config.
        repeat_of: number of the earlier trial with the same config, whose figures these are; else None.
        passes: the config as ``[passes]`` of ``ch transform`` has it, where the space says so; else None.
        excesses: bound -> by how much it is broken, zero or less where it is kept.
        weights: file and SHA-256 of what the trial trained, where it did; else None.
        formats: file and SHA-256 of the arrays that the config names, where it does; else None.
        failure: why there are no figures (the values are NaN then); else None.
    """

    values: list[float]
    software: Measured
    hardware: Measured
    scaled: Measured
    config: dict[str, Any]
    repeat_of: int | None = None
    passes: dict[str, Any] | None = None
    weights: dict[str, str] | None = None
    formats: dict[str, str] | None = None
    failure: str | None = None
    excesses: dict[str, float] = dataclasses.field(default_factory=dict)

    def user_attributes(self) -> dict[str, Any]:
        """The attributes of the study's trial, under MASE's names."""
        attributes: dict[str, Any] = {
            "software_metrics": self.software,
            "hardware_metrics": self.hardware,
            "scaled_metrics": self.scaled,
            "sampled_config": self.config,
        }
        for name in ("repeat_of", "passes", "weights", "formats", "failure"):
            if getattr(self, name) is not None:
                attributes[name] = getattr(self, name)
        if self.excesses:
            attributes["constraints"] = self.excesses
        return attributes
