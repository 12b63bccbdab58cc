"""Training in a trial: the trial's model learns for a while, and is judged on the validation split."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from chop.actions.search.context import SearchContext
from chop.actions.search.runners.basic_evaluation import first_rows, rows_digest
from chop.actions.search.runners.registry import SW_RUNNERS
from chop.actions.search.trial import TrialFailedError
from chop.actions.search.validation import StrictTable
from chop.ir.graph.tracing import TRACING
from chop.registry import UnknownNameError
from chop.tools.logger import get_logger

if TYPE_CHECKING:
    from chop.plt_wrapper.schedules import Schedule

WHERE = "search.strategy.sw_runner.basic_train"
ROWS = "basic_train: rows"

logger = get_logger(__name__)

Rows = tuple[Tensor, Tensor]


class BasicTrainOptions(StrictTable):
    """How the model of a trial is trained; the names are MASE's.

    Attributes:
        name: accepted as a label.
        num_samples: training rows, rounded up to whole batches; None takes all.
        max_epochs, max_steps: passes over them, and optimizer steps in all; whichever ends first.
        batch_size: rows of a batch; None takes the data module's.
        optimizer, learning_rate, weight_decay: as of ``ch train``.
        lr_scheduler: cosine (to 1e-6), linear (to 0) or constant, after ``num_warmup_steps`` steps of rise.
        quantization_aware: where the trial quantizes too: train the quantized model (as in MASE), or
            train the float one and quantize it afterwards.
        straight_through: gradient of quantizers as of ``ch train``, where the default is plain; clipped is better in
            few bits (docs: how-to/quantization-aware).
        engine: as of ``ch train``.
        data_loader: the split to train on.
    """

    name: str | None = None
    num_samples: int | None = Field(default=None, ge=1)
    max_epochs: int | None = Field(default=None, ge=1)
    max_steps: int | None = Field(default=None, ge=1)
    batch_size: int | None = Field(default=None, ge=1)
    optimizer: str = "adam"
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    lr_scheduler: Literal["cosine", "linear", "constant"] = "cosine"
    num_warmup_steps: int = Field(default=0, ge=0)
    quantization_aware: bool = True
    straight_through: Literal["plain", "clipped"] = "clipped"
    engine: Literal["auto", "native", "lightning"] = "auto"
    data_loader: Literal["train_dataloader", "val_dataloader"] = "train_dataloader"

    @model_validator(mode="after")
    def _known_optimizer(self) -> BasicTrainOptions:
        from chop.plt_wrapper.optimizers import OPTIMIZERS

        try:
            OPTIMIZERS[self.optimizer]
        except UnknownNameError as error:
            raise ValueError(str(error)) from None
        return self

    def schedule(self) -> Schedule:
        """The learning rate, which changes each step; one that never does lets the core train many steps in a call."""
        from chop.plt_wrapper.schedules import Schedule

        never = self.lr_scheduler == "constant" and not self.num_warmup_steps
        return Schedule(self.lr_scheduler, "epoch" if never else "step", self.num_warmup_steps)

    def steps(self, batches: int) -> int:
        """Optimizer steps for so many batches an epoch; one epoch where neither limit is given."""
        epochs = self.max_epochs or (1 if self.max_steps is None else math.ceil(self.max_steps / batches))
        return min(epochs * batches, self.max_steps or epochs * batches)


@SW_RUNNERS.register("basic_train")
class BasicTrain:
    """Trains the graph of a trial and measures it on the whole validation split.

    Where ``basic_evaluation`` is configured too, it measures the trained model and its figures count. Same
    seed and config, same weights: every trial trains on one thread, from the study's seed, whatever was
    tried before or is tried beside it.
    """

    metrics: ClassVar[tuple[str, ...]] = ("loss", "accuracy", "accuracy_micro")
    trains: ClassVar[bool] = True
    Options: ClassVar[Any] = BasicTrainOptions

    def __init__(self, context: SearchContext, options: BasicTrainOptions) -> None:
        self.graph, self.seed, self.options = context.graph, context.seed, options
        self.halt = context.halt
        self.rows, self.checked = _rows(context, options)
        context.row_shape = tuple(self.checked[0].shape[1:])
        self.further = ("accuracy_micro",) if "accuracy_micro" in context.asked else ()
        self.batch_size = options.batch_size or int(context.data_module.batch_size)
        self.classes = _classes(context, self.rows[1], self.checked[1])

    @property
    def parallel(self) -> bool:
        """Whether several may train at once: the core does, Lightning has the process to itself."""
        from chop.training import NativeTrainer

        if self.options.engine == "auto":
            return NativeTrainer.why_not(self.graph, tuple(self.rows[0].shape[1:])) is None
        return self.options.engine == "native"

    def float_metrics(self) -> dict[str, float]:
        """The same metrics for the model as it is, without training."""
        return self._measure(None)

    def __call__(self, config: Mapping[str, Any]) -> dict[str, float]:
        """Train the graph and leave it trained, in float; return its metrics under ``config``."""
        from chop.actions.search.trial import FLOAT_CONFIG

        aware = self.options.quantization_aware
        if aware:
            self._quantize(config)
        self._train()
        if aware:
            self._quantize(FLOAT_CONFIG)
        return self._measure(config)

    def _quantize(self, config: Mapping[str, Any]) -> None:
        from chop.passes.graph import quantize_transform_pass

        with TRACING:  # fx writes code, new layers draw weights: both are of the whole process
            quantize_transform_pass(self.graph, config)

    def _measure(self, config: Mapping[str, Any] | None) -> dict[str, float]:
        """The metrics under a config, by the evaluator where it knows the model: as ``ch eval`` has them."""
        from chop.evaluator import Evaluator

        try:
            with TRACING:
                evaluator = Evaluator(self.graph, *self.checked, threads=1)
            found = evaluator.evaluate(config)
        except ValueError as error:
            logger.debug("trials are measured by torch: %s", error)
            return self._measure_by_torch(config)
        return {name: float(found[name]) for name in ("loss", "accuracy", *self.further)}

    def _measure_by_torch(self, config: Mapping[str, Any] | None) -> dict[str, float]:
        from chop.actions.search.trial import FLOAT_CONFIG
        from chop.training.scores import evaluate, one_thread

        training = {module: module.training for module in self.graph.model.modules()}
        if config is not None:
            self._quantize(config)
        with one_thread():
            score = evaluate(
                self.graph.model, _batches(*self.checked, 4096), self.classes, torch.device("cpu")
            )
        if config is not None:
            self._quantize(FLOAT_CONFIG)
        for module, mode in training.items():
            module.training = mode
        return {name: getattr(score, name) for name in ("loss", "accuracy", *self.further)}

    def _train(self) -> None:
        from chop.training import fit
        from chop.training.trainer_args import TrainerArgs

        options, model = self.options, self.graph.model
        steps = options.steps(math.ceil(len(self.rows[1]) / self.batch_size))
        try:
            fit(
                self.graph,
                {"train": self.rows, "val": self.checked},
                classes=self.classes,
                trainer_args=TrainerArgs.parse(
                    {"max_epochs": None, "max_steps": steps, "accelerator": "cpu"}
                ),
                engine=options.engine,
                optimizer=options.optimizer,
                learning_rate=options.learning_rate,
                weight_decay=options.weight_decay,
                lr_scheduler=options.schedule(),
                batch_size=self.batch_size,
                straight_through=options.straight_through,
                seed=self.seed,
                bar=False,
                validate=False,
                halt=self.halt,
            )
        except RuntimeError as error:
            if "training stopped" not in str(error):
                raise
            raise TrialFailedError(str(error)) from error
        finally:
            model.zero_grad(set_to_none=True)
        model.eval()


def _rows(context: SearchContext, options: BasicTrainOptions) -> tuple[Rows, Rows]:
    """The rows to train on and those to check on, read once for all trials."""
    if ROWS not in context.shared:
        split = options.data_loader.removesuffix("_dataloader")
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(context.seed)  # a loader of one's own may shuffle
            learned = first_rows(context.data_module, split, options.num_samples, WHERE)
            checked = first_rows(context.data_module, "val", None, WHERE)
        context.shared[ROWS] = learned, checked
        context.fingerprint["training rows"] = rows_digest(*learned, *checked)
    found: tuple[Rows, Rows] = context.shared[ROWS]
    return found


def _classes(context: SearchContext, *labels: Tensor) -> int:
    given = getattr(context.dataset_info, "num_classes", None)
    return int(given) if given is not None else 1 + max(int(each.max()) for each in labels)


def _batches(x: Tensor, y: Tensor, size: int) -> list[tuple[Tensor, Tensor]]:
    return list(zip(x.split(size), y.split(size), strict=True))
