"""What must hold before a run may write anything, beyond the types of single options."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

from chop.cli.commands import COMMANDS
from chop.cli.learn_options import check_learned
from chop.cli.merge import Merged
from chop.cli.options import ACTIONS, TASK_ALIASES, Options
from chop.cli.project import Project, default_project_name, locate_project
from chop.cli.quantize_file import read_quantize_config
from chop.cli.search_strategy import OF_DEVICES
from chop.registry import UnknownNameError, did_you_mean
from chop.tools.best_file import file_of, names_best
from chop.tools.errors import ConfigError
from chop.tools.logger import get_logger

logger = get_logger(__name__)
_HARDWARE_ACTIONS = ("emit", "simulate")
_IGNORED = {"run_emit", "skip_build", "skip_test", "github_ci", "target", "num_targets", "is_to_auto_requeue"}


def check_action(action: str | None) -> str:
    """Return the action, or say which there are.

    >>> check_action("train")
    'train'
    """
    known = (*ACTIONS, *COMMANDS)
    allowed = ", ".join(known)
    if action is None:
        raise ConfigError(f"an action is needed: one of {allowed}; see ch --help")
    if action in _HARDWARE_ACTIONS:
        raise ConfigError(f"action must be one of {allowed}, got {action!r}: chop generates no hardware")
    if action not in ACTIONS:
        raise ConfigError(f"action must be one of {allowed}, got {action!r}{did_you_mean(action, known)}")
    return action


def check_needs(action: str, merged: Merged) -> None:
    """Check what the action cannot do without.

    Raises:
        ConfigError: no model or data set, no config for transform or search, no weights for test, a file
            that does not exist.
    """
    options = merged.options
    for name in ("model", "dataset"):
        if getattr(options, name) is None:
            raise ConfigError(f'{name} is needed: ch {action} MODEL DATASET, or {name} = "…" in the config')
    table = {"transform": "passes", "search": "search"}.get(action)
    if table is not None and merged.path is None:
        raise ConfigError(f"{action} needs a config with the table [{table}]: --config FILE.toml")
    if table is not None and not merged.tables.get(table):
        raise ConfigError(f"{merged.path}: {action} needs the table [{table}]")
    if action == "test" and options.load_name is None and not options.is_pretrained and not _trained(options):
        raise ConfigError("test needs weights: --load CHECKPOINT or --pretrained")
    _check_files(options)
    _check_grid(action, options)
    if options.learn_widths is not None:
        if action != "train":
            raise ConfigError(f"--learn-widths is an option of train, not of {action}")
        check_learned(options)
    if action == "train" and (options.momentum is not None or options.nesterov is not None):
        from chop.plt_wrapper.optimizers import check_momentum

        check_momentum(options.training_optimizer, options.momentum, options.nesterov)
    if options.compare is not None:
        _check_compare(action, options)
    if options.dry_run and action != "search":
        raise ConfigError(f"--dry-run is an option of search, not of {action}")
    if action == "search" and options.load_name is not None:
        _refuse_pickled_study(Path(options.load_name))


def _trained(options: Options) -> bool:
    """Whether the weights come with the quantization: with a trial that trained them."""
    file = options.quant_config
    return file is not None and names_best(file) and _is(str(file_of(file)), "file") and _has_weights(file)


def _has_weights(file: str) -> bool:
    found = read_quantize_config(file, None, None, None)
    return found is not None and found.weights is not None


def _check_grid(action: str, options: Options) -> None:
    if options.grid is None:
        return
    if action != "train":
        raise ConfigError(f"grid belongs to train, got the action {action!r}")
    from chop.training.axes import parse_axes

    parse_axes(options.grid)
    if options.resume:
        raise ConfigError("resume and grid do not go together: the same grid again goes on by itself")


def _check_compare(action: str, options: Options) -> None:
    if action != "search":
        raise ConfigError(f"--compare is an option of search, not of {action}")
    others = {"--storage": options.storage, "--study": options.study, "--workers": options.workers}
    others |= {"--cluster": options.cluster, "--dry-run": options.dry_run}
    if given := [name for name, value in others.items() if value]:
        raise ConfigError(f"--compare runs in memory and in this process: leave {', '.join(given)} out")


def _refuse_pickled_study(path: Path) -> None:
    """MASE leaves its studies as pickles, and someone will try to go on with one."""
    with path.open("rb") as file:
        pickled = path.suffix in (".pkl", ".pickle") and file.read(1) == b"\x80"
    if pickled:
        raise ConfigError(
            f"load_name: {str(path)!r} is a pickle, and reading a pickle can run any code: it is refused; "
            "a study goes on with the command that began it, and weights come as mz, pt or pl"
        )


def _check_files(options: Options) -> None:
    if options.load_name is not None and options.load_type == "hf":
        raise ConfigError("load_type 'hf' (Hugging Face) is not supported; allowed: mz, pt, pl")
    for name in ("load_name", "quant_config", "data_file", "scaler"):
        value = getattr(options, name)
        if name == "quant_config" and value is not None:
            value = str(file_of(value))
        if value is not None and not _is(value, "file"):
            what = "is a folder, not a file" if _is(value, "dir") else "does not exist"
            raise ConfigError(f"{name}: {value!r} {what}")
    if options.data_dir is not None and not _is(options.data_dir, "dir"):
        raise ConfigError(f"data_dir: there is no folder {options.data_dir!r}")


def _is(path: str, kind: str) -> bool:
    try:
        return Path(path).is_file() if kind == "file" else Path(path).is_dir()
    except (OSError, ValueError):  # a name too long, or with a NUL
        return False


def check_tables(merged: Merged) -> None:
    """Check [passes.*] and [search.*] as far as that needs no model.

    Raises:
        ConfigError: unknown names or keys, wrong values.
    """
    where = f"{merged.path}: "
    if "passes" in merged.tables:
        from chop.actions.pass_steps import check_tables as check_passes

        check_passes(merged.tables["passes"], where)
    if "search" in merged.tables:
        from chop.actions.search.schema import parse_search_config

        try:
            parse_search_config(merged.tables["search"])
        except (ConfigError, UnknownNameError) as error:
            raise ConfigError(f"{where}{error}") from None


def check_project(options: Options, today: datetime.date | None = None) -> Project:
    """Return the project's folders, checked and not yet made.

    Raises:
        ConfigError: a name that leads out of project_dir, or a place that cannot be written.
    """
    name = options.project
    if name is None:
        name = default_project_name(
            str(options.model), options.task, str(options.dataset), today or datetime.date.today()
        )
    return locate_project(options.project_dir, name)


def task_of(options: Options) -> str:
    """The long name of the task.

    >>> task_of(Options(task="cls"))
    'classification'
    """
    return TASK_ALIASES.get(options.task, options.task)


def usable_accelerator(name: str) -> str:
    """Return "cpu", "gpu" or "mps": the accelerator asked for, or the CPU with a warning where it is missing.

    >>> usable_accelerator("cpu")
    'cpu'
    """
    import torch

    available = {"gpu": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return next(kind for kind, here in available.items() if here)
    wanted = "gpu" if name == "cuda" else name
    if available[wanted]:
        return wanted
    logger.warning("accelerator %r is not available on this machine: the CPU serves", name)
    return "cpu"


def warn_about_ignored(options: Options, typed: dict[str, Any]) -> None:
    """Say once which options of MASE have no effect here."""
    names = sorted(_IGNORED & typed.keys())
    if names:
        logger.warning("no effect in chop: %s", ", ".join(names))
    if options.num_devices > 1 or options.num_nodes > 1 or options.strategy in OF_DEVICES[1:]:
        logger.warning("num_devices, num_nodes and strategy: training uses one device on one node")
    if options.report_to in ("wandb", "mlflow") and (options.grid or options.learn_widths):
        logger.warning("report_to %r: a grid and learned widths are not sent", options.report_to)
