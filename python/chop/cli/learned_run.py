"""``ch train --learn-widths``: from the option to a folder with ``best.json``."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chop.cli.options import Options, defaults, flags
from chop.cli.quantize_file import read_quantize_config
from chop.tools.errors import ConfigError
from chop.tools.logger import get_logger
from chop.tools.writer import write_line

if TYPE_CHECKING:
    from chop.cli.run import Parts
    from chop.training import WidthRecipe
    from chop.training.learning.learning import Learning
    from chop.training.learning.pricing import Stage

logger = get_logger(__name__)

_STATE = "learned.mz"
# Options of other trainings, which the recipe has under its own names.
_OTHERS = (
    "max_epochs", "max_steps", "learning_rate", "weight_decay", "training_optimizer", "momentum", "nesterov",
    "lr_scheduler", "straight_through", "accumulate_grad_batches", "gradient_clip_val", "early_stopping_patience",
    "engine", "trainer_precision",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class LearnOptions:
    """What ``--learn-widths`` says.

    Attributes:
        stages: widest target first, or the one with prices.
        cost: the cost model that costs are of.
        recipe: all else.
    """

    stages: Sequence[Stage]
    cost: str
    recipe: WidthRecipe

    @classmethod
    def parse(cls, texts: Sequence[str], seed: int) -> LearnOptions:
        """Read ``COST.max=BOUND,…``, or ``prices=LOW,HIGH``, and ``OPTION=VALUE`` of the recipe.

        Raises:
            ConfigError: another form, an unknown option, a value out of range.

        >>> found = LearnOptions.parse(["ebops_hgq.max=1500,3000", "epochs=20"], 0)
        >>> found.recipe.epochs, [stage.target.most for stage in found.stages]
        (20, [3000.0, 1500.0])
        """
        from chop.training import WidthRecipe
        from chop.training.learning.learn import DEFAULT_COST, stages_of

        bounds: list[float] | None = None
        prices, cost = None, DEFAULT_COST
        recipe: dict[str, Any] = {"seed": seed}
        for text in texts:
            key, sign, value = (part.strip() for part in text.partition("="))
            if not sign or not key or not value:
                raise ConfigError(
                    f"learn_widths: give COST.max=BOUND, prices=LOW,HIGH or OPTION=VALUE, got {text!r}"
                )
            if key.endswith(".max"):
                if bounds is not None:
                    raise ConfigError("learn_widths: give the bounds of one cost, with commas between them")
                cost, bounds = key.removesuffix(".max"), [_number(key, part) for part in value.split(",")]
            elif key == "prices":
                prices = [_number(key, part) for part in value.split(",")]
            elif key == "seed":
                raise ConfigError("learn_widths: the seed is the option --seed")
            else:
                recipe[key] = _value(value)
        return cls(stages_of(bounds, cost, prices), cost, WidthRecipe.of(recipe))


def check_learned(options: Options) -> None:
    """Refuse what does not go with ``--learn-widths``; raises ConfigError."""
    LearnOptions.parse(options.learn_widths or [], options.seed)
    usual, spelt = defaults(), flags()
    for name in _OTHERS:
        if getattr(options, name) != usual[name]:
            raise ConfigError(
                f"{spelt[name].spellings[0]} does not go with --learn-widths, which has options of its own, such as "
                "--learn-widths epochs=60"
            )
    if options.grid is not None:
        raise ConfigError("--grid and --learn-widths do not go together")


def learn(options: Options, parts: Parts, folder: Path, validate_only: bool = False) -> None:
    """Learn, print the front, and write ``best.json``, what it names, and ``learned.csv``.

    Args:
        options: the command's.
        parts: model and data.
        folder: for the files; with ``--resume`` the run in it goes on.
        validate_only: check what can be refused, and write nothing.
    """
    from chop.tools.atomic_write import atomic_write
    from chop.training import LearnedFront
    from chop.training.learning.files import history_csv, write_models
    from chop.training.learning.learn import finished, run

    learning = _ready(options, parts)
    if validate_only:
        return
    if not options.resume:
        (folder / _STATE).unlink(missing_ok=True)
    run(learning, folder / _STATE)
    front = LearnedFront(finished(learning, list(learning.front)), learning.count)
    atomic_write(folder / "learned.csv", history_csv(learning.position.history))
    best = write_models(front, learning.layers.model, folder)
    write_line(repr(front))
    for stage in learning.stages:
        if stage.target is not None and front.at(stage.target.most) is None:
            logger.warning(
                "no model has %s of at most %g: more epochs go further", learning.count, stage.target.most
            )
    write_line(f"Results: {best}")


def _ready(options: Options, parts: Parts) -> Learning:
    from chop.training.learning.learn import start

    given = LearnOptions.parse(options.learn_widths or [], options.seed)
    config = None
    if options.quant_config is not None:
        chosen = read_quantize_config(str(options.quant_config), None, None, None)
        config = None if chosen is None else chosen.config
    return start(parts.model, parts.data_module, given.stages, given.cost, config, given.recipe, None)


def _number(key: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigError(
            f"learn_widths: {key} must be numbers with commas between them, got {text!r}"
        ) from None


def _value(text: str) -> Any:
    """A whole number, a number, or the text itself."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
