"""Every option of ``ch``, once: parser, validation and table are made from this schema.

Names, spellings and defaults are MASE's; the top-level keys of a TOML config are the field names or aliases.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

ACTIONS = ("train", "test", "transform", "search")

# MASE has short and long names for one task; the actions get the long one.
TASK_ALIASES = {"cls": "classification", "tran": "translation", "lm": "language_modeling"}


@dataclass(frozen=True)
class Flag:
    """How an option appears on the command line.

    Args:
        spellings: all its flags; none for a positional.
        group: heading in the help.
        metavar: placeholder in the help.
        help: one sentence; None hides the option.
        table: True for a row in every table, False for a row only where the option is set.
        repeat: the flag may be given several times.
    """

    spellings: tuple[str, ...]
    group: str
    help: str | None
    metavar: str | None = None
    table: bool = True
    repeat: bool = False


def _number(value: Any) -> Any:
    # "1e-2" in quotes is a common slip, and the command line has only text.
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _whole_text(value: Any) -> Any:
    # trainer_precision = 32 is as clear as "32".
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


BIG = 2**31 - 1
Positive = Annotated[int, Field(ge=1, le=BIG)]
Rate = Annotated[float, BeforeValidator(_number), Field(ge=0, le=1e6, allow_inf_nan=False)]
Text = Annotated[str, Field(min_length=1)]
Precision = Annotated[
    Literal["16-mixed", "32", "64", "bf16", "bf16-mixed", "16-true", "32-true", "64-true", "bf16-true"],
    BeforeValidator(_whole_text),
]


def _cores() -> int:
    return os.cpu_count() or 1


def _flag(*spellings: str, group: str, help: str | None, **rest: Any) -> Flag:
    return Flag(spellings, group, help, **rest)


class Options(BaseModel):
    """The merged options of one run. Defaults are MASE's, apart from ``project_dir``.

    Raises:
        pydantic.ValidationError: for a wrong value; ``chop.cli.merge`` turns it into one sentence.
    """

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        defer_build=True,
        frozen=True,
        populate_by_name=True,
        protected_namespaces=(),
    )

    # fmt: off
    task: Annotated[Literal["classification", "cls", "translation", "tran", "language_modeling", "lm"],
        _flag("--task", group="general", metavar="TASK", help="task to perform")] = "classification"
    load_name: Annotated[Text | None,
        _flag("--load", group="general", metavar="PATH", help="checkpoint to start from")] = None
    load_type: Annotated[Literal["mz", "pt", "pl", "hf"] | None,
        _flag("--load-type", group="general", metavar="TYPE",
              help="what the file must be: mz: written by chop; pt: state dict; pl: Lightning checkpoint; "
                   "default: whatever it is")] = None
    batch_size: Annotated[Positive,
        _flag("--batch-size", group="general", metavar="NUM", help="rows in a batch")] = 128
    to_debug: Annotated[bool,
        _flag("--debug", group="general",
              help="log more; after a failure, leave the traceback in the project folder")] = False
    log_level: Annotated[Literal["debug", "info", "warning", "error", "critical"],
        _flag("--log-level", group="general", metavar="LEVEL", help="least severe message shown")] = "info"
    report_to: Annotated[Literal["tensorboard", "csv", "wandb", "mlflow"],
        _flag("--report-to", group="general", metavar="TOOL",
              help="where curves go besides metrics.csv; wandb and mlflow as they are set up")] = "tensorboard"
    seed: Annotated[Annotated[int, Field(ge=0, le=2**32 - 1)],
        _flag("--seed", group="general", metavar="NUM", help="seed of every random generator")] = 0
    quant_config: Annotated[Text | None,
        _flag("--quant-config", "--quantize", group="general", metavar="FILE",
              help="quantize the model before training or testing: a file with by, default, … or with "
                   "[passes.quantize], or the best.json of a search with the weights that its trial trained; "
                   "best.json#2 is entry 2")] = None
    training_optimizer: Annotated[Literal["adam", "sgd", "adamw"],
        _flag("--training-optimizer", group="trainer", metavar="TYPE", help="method")] = "adam"
    trainer_precision: Annotated[Precision,
        _flag("--trainer-precision", group="trainer", metavar="TYPE", help="precision")] = "16-mixed"
    learning_rate: Annotated[Rate,
        _flag("--learning-rate", group="trainer", metavar="NUM", help="initial learning rate")] = 1e-5
    weight_decay: Annotated[Rate,
        _flag("--weight-decay", group="trainer", metavar="NUM", help="weight decay")] = 0
    max_epochs: Annotated[Positive,
        _flag("--max-epochs", group="trainer", metavar="NUM", help="epochs to train")] = 20
    max_steps: Annotated[Annotated[int, Field(ge=-1, le=BIG)],
        _flag("--max-steps", group="trainer", metavar="NUM", help="most steps; -1 or 0: no limit")] = -1
    accumulate_grad_batches: Annotated[Positive,
        _flag("--accumulate-grad-batches", group="trainer", metavar="NUM", help="batches for a step")] = 1
    log_every_n_steps: Annotated[Positive,
        _flag("--log-every-n-steps", group="trainer", metavar="NUM", help="steps from log to log")] = 50
    num_workers: Annotated[Annotated[int, Field(ge=0, le=4096)],
        _flag("--cpu", "--num-workers", group="runtime", metavar="NUM",
              help="processes that load data; 0: the main process")] = Field(default_factory=_cores)
    num_devices: Annotated[Annotated[int, Field(ge=1, le=4096)],
        _flag("--gpu", "--num-devices", group="runtime", metavar="NUM", help="devices on each node")] = 1
    num_nodes: Annotated[Annotated[int, Field(ge=1, le=4096)],
        _flag("--nodes", group="runtime", metavar="NUM", help="nodes")] = 1
    accelerator: Annotated[Literal["auto", "cpu", "gpu", "mps", "cuda"],
        _flag("--accelerator", group="runtime", metavar="TYPE",
              help="device; one that the machine lacks is a warning and the CPU serves")] = "auto"
    strategy: Annotated[Text,
        _flag("--strategy", group="runtime", metavar="NAME",
              help="search: a strategy or sampler instead of the file's, such as exhaustive, native-tpe, random; "
                   "train: how devices share the work (accepted: auto, ddp)")] = "auto"
    is_to_auto_requeue: Annotated[bool,
        _flag("--auto-requeue", group="runtime", help="submit the job again on a SLURM cluster")] = False
    github_ci: Annotated[bool,
        _flag("--github-ci", group="runtime", help="accepted for MASE's scripts; no effect")] = False
    disable_dataset_cache: Annotated[bool,
        _flag("--disable-dataset-cache", group="runtime", help="do not reuse prepared data")] = False
    target: Annotated[Text,
        _flag("--target", group="hardware", metavar="STR",
              help="accepted for MASE's scripts; no effect")] = "xcu250-figd2104-2L-e"
    num_targets: Annotated[Positive,
        _flag("--num-targets", group="hardware", metavar="NUM",
              help="accepted for MASE's scripts; no effect")] = 100
    is_pretrained: Annotated[bool,
        _flag("--pretrained", group="model", help="start from the shipped weights")] = False
    max_token_len: Annotated[Positive,
        _flag("--max-token-len", group="model", metavar="NUM", help="tokens in a text")] = 512
    project_dir: Annotated[Text,
        _flag("--project-dir", group="project", metavar="DIR", help="folder of projects")] = "./mase_output"
    project: Annotated[Text | None,
        _flag("--project", group="project", metavar="NAME",
              help="name of the project's folder; default {model}_{task}_{dataset}_{YYYY-MM-DD}")] = None
    model: Annotated[Text | None, _flag(group="main", help="name of a model, or FILE.py:NAME")] = None
    dataset: Annotated[Text | None, _flag(group="main", help="name of a data set")] = None
    imports: Annotated[list[Text] | None,
        _flag("--import", group="extensions", metavar="FILE.py", table=False, repeat=True,
              help="file or module to import first, which registers models, data sets, metrics…; may be "
                   "repeated")] = Field(None, alias="import")
    data_dir: Annotated[Text | None,
        _flag("--data-dir", group="data", metavar="DIR", table=False,
              help="folder with the data files; also CHOP_DATA_DIR")] = None
    data_file: Annotated[Text | None,
        _flag("--data-file", group="data", metavar="FILE", table=False, help="the data file itself")] = None
    class_order: Annotated[Annotated[str, Field(pattern=r"^[A-Za-z0-9_, ]+$")] | None,
        _flag("--class-order", group="data", metavar="LETTERS", table=False,
              help="classes in the order of their index, such as gqwzt")] = None
    split: Annotated[Literal["mase", "three-way", "all"] | None,
        _flag("--split", group="data", metavar="NAME", table=False,
              help="mase: validation is training; three-way: three parts; all: every row in each")] = None
    scaler: Annotated[Text | None,
        _flag("--scaler", group="data", metavar="FILE.npz", table=False,
              help="mean and scale to use instead of a fit")] = None
    data_sha256: Annotated[Annotated[str, Field(pattern=r"^[0-9A-Fa-f]{64}$")] | None,
        _flag("--data-sha256", group="data", metavar="HEX", table=False,
              help="SHA-256 of the data file; any other file is refused. FILE.sha256 beside it is compared unasked")
        ] = None
    max_unpacked_mb: Annotated[Positive | None,
        _flag("--max-unpacked-mb", group="data", metavar="NUM", table=False,
              help="megabytes that a compressed data file may unpack to; else 16 MiB and 50 times its size")] = None
    storage: Annotated[Text | None,
        _flag("--storage", group="search", metavar="URL", table=False,
              help="copy the finished study to journal:///PATH, sqlite:///FILE.db or postgresql://USER@HOST/DB")] = None
    study: Annotated[Text | None,
        _flag("--study", group="search", metavar="NAME", table=False, help="name of the study")] = None
    workers: Annotated[Annotated[int, Field(ge=0, le=4096)],
        _flag("--workers", group="search", metavar="NUM", table=False,
              help="search: processes to start that measure (0: this one does); train --grid: runs at once (0: one a "
                   "core)")] = 0
    cluster: Annotated[Text | None,
        _flag("--cluster", group="search", metavar="ADDRESS", table=False,
              help="search, train --grid: Dask does the work: tcp://HOST:8786 or a scheduler file")] = None
    compare: Annotated[Text | None,
        _flag("--compare", group="search", metavar="NAMES", table=False,
              help="run the search with several samplers, such as random,tpe,nsgaii,brute-force, and write how far "
                   "each stays from the true optimum")] = None
    seeds: Annotated[Annotated[int, Field(ge=1, le=10_000)],
        _flag("--seeds", group="search", metavar="NUM", table=False,
              help="runs of each sampler that --compare names")] = 10
    dry_run: Annotated[bool,
        _flag("--dry-run", group="search", table=False,
              help="print what the strategy exhaustive would take, and end")] = False
    engine: Annotated[Literal["auto", "native", "lightning"],
        _flag("--engine", group="trainer", metavar="NAME", table=False,
              help="what trains: native (the C++ core), lightning, or auto: native where it can")] = "auto"
    resume: Annotated[bool,
        _flag("--resume", group="trainer", table=False,
              help="go on from the project's last.ckpt; without one, begin")] = False
    momentum: Annotated[Annotated[float, BeforeValidator(_number), Field(ge=0, le=1)] | None,
        _flag("--momentum", group="trainer", metavar="NUM", table=False,
              help="of sgd; MASE's is 0.9")] = None
    nesterov: Annotated[bool | None,
        _flag("--nesterov", group="trainer", table=False, help="Nesterov's rule in sgd; MASE's is on")] = None
    lr_scheduler: Annotated[Literal["cosine", "linear", "constant"],
        _flag("--lr-scheduler", group="trainer", metavar="NAME", table=False,
              help="how the learning rate falls: cosine (to 1e-6), linear (to 0), constant")] = "cosine"
    early_stopping_patience: Annotated[Annotated[int, Field(ge=0, le=BIG)],
        _flag("--early-stopping-patience", group="trainer", metavar="NUM", table=False,
              help="end after so many epochs without a lower validation loss; 0: never")] = 0
    gradient_clip_val: Annotated[Rate,
        _flag("--gradient-clip-val", group="trainer", metavar="NUM", table=False,
              help="largest norm (or value) of gradients; 0: no limit")] = 0
    gradient_clip_algorithm: Annotated[Literal["norm", "value"],
        _flag("--gradient-clip-algorithm", group="trainer", metavar="NAME", table=False,
              help="norm: of all gradients together; value: of each")] = "norm"
    straight_through: Annotated[Literal["plain", "clipped"],
        _flag("--straight-through", group="trainer", metavar="NAME", table=False,
              help="gradient of quantizers; clipped: 0 where a value left the range")] = "plain"
    grid: Annotated[list[Text] | None,
        _flag("--grid", group="trainer", metavar="OPTION=VALUES", table=False, repeat=True,
              help="train all combinations: learning_rate=1e-5,1e-3; may be repeated; the same command again goes "
                   "on")] = None
    learn_widths: Annotated[list[Text] | None,
        _flag("--learn-widths", group="trainer", metavar="KEY=VALUES", table=False, repeat=True,
              help="learn the widths of single weights and features: ebops_hgq.max=1500,3000 leaves a best.json with a "
                   "front; epochs=60 and other options of the recipe; may be repeated")] = None
    repeats: Annotated[Positive,
        _flag("--repeats", group="trainer", metavar="NUM", table=False,
              help="runs of each combination of --grid, with seeds of their own")] = 1
    profile: Annotated[bool,
        _flag("--profile", group="runtime", table=False, help="write a profile of the run")] = False
    show_options: Annotated[bool,
        _flag("--options", group="general", table=False,
              help="show every option in the table that opens a run, not just what differs from the defaults")] = False
    overwrite: Annotated[bool,
        _flag("--overwrite", group="project", table=False,
              help="replace the results of the run before; else they are kept in software/earlier")] = False
    no_warnings: Annotated[bool,
        _flag("--no-warnings", group="general", table=False, help="hide Python's warnings")] = False
    run_emit: Annotated[bool, _flag("--run-emit", group="hardware", table=False, help=None)] = False
    skip_build: Annotated[bool, _flag("--skip-build", group="hardware", table=False, help=None)] = False
    skip_test: Annotated[bool, _flag("--skip-test", group="hardware", table=False, help=None)] = False
    # fmt: on


def flags() -> dict[str, Flag]:
    """Field name -> its flag, in table order.

    >>> flags()["num_workers"].spellings
    ('--cpu', '--num-workers')
    """
    return {
        name: next(item for item in field.metadata if isinstance(item, Flag))
        for name, field in Options.model_fields.items()
    }


def keys() -> dict[str, str]:
    """Top-level TOML key -> field name.

    >>> keys()["import"], keys()["seed"]
    ('imports', 'seed')
    """
    return {field.alias or name: name for name, field in Options.model_fields.items()}


def defaults() -> dict[str, Any]:
    """Field name -> default value.

    >>> defaults()["batch_size"]
    128
    """
    return {
        name: field.get_default(call_default_factory=True) for name, field in Options.model_fields.items()
    }
