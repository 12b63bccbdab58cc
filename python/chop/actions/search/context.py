"""What every part of a running search may look at."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chop.evaluator import Evaluator
    from chop.ir.graph.mase_graph import MaseGraph


@dataclasses.dataclass
class SearchContext:
    """The model and data of a search; one for the whole run, never changed by a trial.

    Where trials change or train the model, each has a context of its own with its own copy of the graph.

    Attributes:
        graph: the float model's graph.
        data_module: source of the rows.
        threads: evaluator threads; they change the time of a trial, never its result.
        row_shape: shape of one row of the data, as soon as a runner has read some.
        evaluator: the evaluator of the software runner, once there is one.
        seed: of the study; what a trial draws (initial weights, order of rows) starts from it.
        fingerprint: digests of weights and rows, by what they stand for; part of the study's identity.
        subject: what the study is about, in words; see :func:`chop.actions.search.subject.subject_of`.
        asked: metrics that the config names, as objectives or constraints -> their options.
        shared: what runners keep for all trials, such as rows they have read; one for all contexts of a run.
        halt: set where trials in other threads are to end; whatever takes long in one looks at it.
    """

    graph: MaseGraph
    data_module: Any
    model_info: Any = None
    dataset_info: Any = None
    task: str = "cls"
    threads: int = 1
    evaluator: Evaluator | None = None
    seed: int = 0
    row_shape: tuple[int, ...] | None = None
    asked: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    fingerprint: dict[str, str] = dataclasses.field(default_factory=dict)
    subject: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    shared: dict[str, Any] = dataclasses.field(default_factory=dict)
    halt: threading.Event | None = None
