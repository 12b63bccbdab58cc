"""``ch train --learn-widths``: from the option to a folder with ``best.json``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from chop.cli.learn_options import LearnOptions
from chop.cli.options import Options
from chop.cli.quantize_file import read_quantize_config
from chop.tools.logger import get_logger
from chop.tools.writer import write_line

if TYPE_CHECKING:
    from chop.cli.parts import Parts
    from chop.training.learning.learning import Learning

logger = get_logger(__name__)

_STATE = "learned.mz"


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
