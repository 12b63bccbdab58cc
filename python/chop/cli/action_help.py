"""``ch ACTION --help``: what the action does, its own options, two examples; ``ch --help``: what there is."""

from __future__ import annotations

import argparse
import textwrap

from chop.cli.commands import COMMANDS, Parser, load_command
from chop.cli.options import ACTIONS, flags

ABOUT = {
    "train": "Train a model on a data set; Lightning serves what the C++ trainer does not know.",
    "test": "Test a trained model: accuracy, loss and confusion matrix on the test rows.",
    "transform": "Run the passes of a config: statistics, reports, quantization, export of the graph.",
    "search": "Search number formats: every trial is one configuration, and the best are written down.",
}
EXAMPLES = {
    "train": (
        "ch train jsc-tiny jsc-synth --max-epochs 10 --learning-rate 1e-2",
        "ch train jsc-tiny jsc-synth --grid learning_rate=1e-3,1e-2 --repeats 3",
    ),
    "test": (
        "ch test jsc-toy jsc-synth --pretrained",
        "ch test jsc-tiny jsc-synth --load mase_output/PROJECT/software/training_ckpts/best.ckpt",
    ),
    "transform": (
        "ch transform --config configs/examples/jsc_toy_by_type.toml",
        "ch transform jsc-toy jsc-synth --pretrained --config best.json#0",
    ),
    "search": (
        "ch search --config configs/examples/jsc_search.toml",
        "ch search --config configs/examples/jsc_search.toml --strategy exhaustive --project all-of-it",
    ),
}
_DATA = (
    "batch_size",
    "data_dir",
    "data_file",
    "class_order",
    "split",
    "scaler",
    "data_sha256",
    "max_unpacked_mb",
)
_WEIGHTS = ("load_name", "load_type", "is_pretrained", "imports")
_RUN = (
    "project_dir",
    "project",
    "overwrite",
    "seed",
    "accelerator",
    "num_workers",
    "log_level",
    "to_debug",
    "show_options",
)
_OWN = {
    "train": (
        "training_optimizer", "learning_rate", "max_epochs", "max_steps", "lr_scheduler", "weight_decay", "momentum",
        "nesterov", "early_stopping_patience", "engine", "resume", "quant_config", "learn_widths", "straight_through",
        "grid", "repeats", "workers", "cluster", "trainer_precision", "accumulate_grad_batches", "gradient_clip_val",
        "gradient_clip_algorithm", "report_to", "log_every_n_steps",
    ),
    "test": ("quant_config",),
    "transform": (),
    "search": ("strategy", "dry_run", "workers", "cluster", "storage", "study", "compare", "seeds"),
}  # fmt: skip


def action_parser(action: str) -> argparse.ArgumentParser:
    """Make a parser that knows an action's own options only: it is for its help, the whole parser takes all of them."""
    from chop.cli.parser import NAMED, add_config, add_option

    parser = Parser(
        prog=f"ch {action}",
        usage=f"ch {action} [MODEL] [DATASET] [--config PATH] [options]",
        description=ABOUT[action],
        epilog=_examples(action),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
        add_help=False,
    )
    main = parser.add_argument_group("main arguments")
    for name in NAMED:
        main.add_argument(name, nargs="?", help=flags()[name].help)
    add_config(main)
    groups = {action: _OWN[action], "weights": _WEIGHTS, "data": _DATA, "run": _RUN}
    for title, names in groups.items():
        if names:
            group = parser.add_argument_group(f"{title} options")
            for name in names:
                add_option(group, name)
    return parser


def _examples(action: str) -> str:
    lines = "\n".join(f"  {example}" for example in EXAMPLES[action])
    return f"examples:\n{lines}\n\nMASE's other options are taken too: ch --help --options lists all."


def overview() -> str:
    """The text of ``ch --help``."""
    about = {
        name: (load_command(name).__doc__ or "").strip().splitlines()[0].rstrip(".")
        for name in sorted(COMMANDS)
    }
    lines = ["usage: ch ACTION [MODEL] [DATASET] [options]", ""]
    for title, entries in (
        ("actions", {name: ABOUT[name].rstrip(".") for name in ACTIONS}),
        ("commands", about),
    ):
        lines.append(f"{title}:")
        for name, text in entries.items():
            lines.append(textwrap.fill(f"  {name:<12}{text}", 100, subsequent_indent=" " * 14))
        lines.append("")
    lines += [
        "What is typed wins over the config file, which wins over the defaults.",
        "",
        "  ch ACTION --help      the options of an action, with examples",
        "  ch --help --options   every option of every action",
        "  ch --info             the models and data sets that can be named",
        "  ch --version          the version",
    ]
    return "\n".join(lines)
