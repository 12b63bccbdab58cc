"""What ``ch train --learn-widths`` says, read and checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chop.cli.options import Options, defaults, flags
from chop.tools.errors import ConfigError
from chop.tools.text_tables import number_or_text

if TYPE_CHECKING:
    from chop.training import WidthRecipe
    from chop.training.learning.pricing import Stage

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
                recipe[key] = number_or_text(value)
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


def _number(key: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigError(
            f"learn_widths: {key} must be numbers with commas between them, got {text!r}"
        ) from None
