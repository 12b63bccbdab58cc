"""Every spelling of MASE parses, in any order; what is not known gets one sentence."""

from __future__ import annotations

import pytest

from chop.cli.merge import merge
from chop.cli.options import Options, defaults, flags, keys
from chop.cli.parser import build_parser, parse
from chop.tools.errors import ConfigError

# spelling, value, field, effective value: MASE's options, one by one
SPELLINGS = [
    ("--task", "cls", "task", "cls"),
    ("--task", "language_modeling", "task", "language_modeling"),
    ("--load", "x.ckpt", "load_name", "x.ckpt"),
    ("--load-type", "pl", "load_type", "pl"),
    ("--load-type", "hf", "load_type", "hf"),
    ("--batch-size", "32", "batch_size", 32),
    ("--debug", None, "to_debug", True),
    ("--log-level", "critical", "log_level", "critical"),
    ("--report-to", "wandb", "report_to", "wandb"),
    ("--seed", "7", "seed", 7),
    ("--quant-config", "q.toml", "quant_config", "q.toml"),
    ("--quantize", "q.toml", "quant_config", "q.toml"),
    ("--training-optimizer", "adamw", "training_optimizer", "adamw"),
    ("--trainer-precision", "bf16", "trainer_precision", "bf16"),
    ("--learning-rate", "1e-2", "learning_rate", 0.01),
    ("--learning-rate", "1", "learning_rate", 1.0),
    ("--weight-decay", "0.5", "weight_decay", 0.5),
    ("--max-epochs", "3", "max_epochs", 3),
    ("--max-steps", "-1", "max_steps", -1),
    ("--accumulate-grad-batches", "2", "accumulate_grad_batches", 2),
    ("--log-every-n-steps", "5", "log_every_n_steps", 5),
    ("--cpu", "0", "num_workers", 0),
    ("--num-workers", "3", "num_workers", 3),
    ("--gpu", "2", "num_devices", 2),
    ("--num-devices", "2", "num_devices", 2),
    ("--nodes", "2", "num_nodes", 2),
    ("--accelerator", "gpu", "accelerator", "gpu"),
    ("--strategy", "ddp", "strategy", "ddp"),
    ("--auto-requeue", None, "is_to_auto_requeue", True),
    ("--github-ci", None, "github_ci", True),
    ("--disable-dataset-cache", None, "disable_dataset_cache", True),
    ("--target", "chip", "target", "chip"),
    ("--num-targets", "4", "num_targets", 4),
    ("--run-emit", None, "run_emit", True),
    ("--skip-build", None, "skip_build", True),
    ("--skip-test", None, "skip_test", True),
    ("--pretrained", None, "is_pretrained", True),
    ("--max-token-len", "9", "max_token_len", 9),
    ("--project-dir", "out", "project_dir", "out"),
    ("--project", "mine", "project", "mine"),
    ("--profile", None, "profile", True),
    ("--no-warnings", None, "no_warnings", True),
    ("--import", "my.py", "imports", ["my.py"]),
    ("--data-dir", "d", "data_dir", "d"),
    ("--data-file", "f.h5", "data_file", "f.h5"),
    ("--data-sha256", "a" * 64, "data_sha256", "a" * 64),
    ("--max-unpacked-mb", "300", "max_unpacked_mb", 300),
    ("--class-order", "gqwzt", "class_order", "gqwzt"),
    ("--split", "mase", "split", "mase"),
    ("--scaler", "s.npz", "scaler", "s.npz"),
    ("--storage", "sqlite:///s.db", "storage", "sqlite:///s.db"),
    ("--study", "mine", "study", "mine"),
    ("--workers", "4", "workers", 4),
    ("--cluster", "tcp://10.0.0.1:8786", "cluster", "tcp://10.0.0.1:8786"),
    ("--dry-run", None, "dry_run", True),
    ("--compare", "random,tpe", "compare", "random,tpe"),
    ("--seeds", "3", "seeds", 3),
    ("--engine", "native", "engine", "native"),
    ("--resume", None, "resume", True),
    ("--momentum", "0.5", "momentum", 0.5),
    ("--nesterov", None, "nesterov", True),
    ("--lr-scheduler", "linear", "lr_scheduler", "linear"),
    ("--early-stopping-patience", "3", "early_stopping_patience", 3),
    ("--gradient-clip-val", "0.5", "gradient_clip_val", 0.5),
    ("--gradient-clip-algorithm", "value", "gradient_clip_algorithm", "value"),
    ("--straight-through", "clipped", "straight_through", "clipped"),
    ("--grid", "batch_size=16,32", "grid", ["batch_size=16,32"]),
    ("--repeats", "3", "repeats", 3),
    ("--learn-widths", "ebops_hgq.max=1500", "learn_widths", ["ebops_hgq.max=1500"]),
    ("--overwrite", None, "overwrite", True),
    ("--options", None, "show_options", True),
]


@pytest.mark.parametrize("joined", [False, True], ids=["apart", "with ="])
@pytest.mark.parametrize(("spelling", "value", "name", "effective"), SPELLINGS)
def test_spelling(spelling, value, name, effective, joined):
    words = [spelling] if value is None else [f"{spelling}={value}"] if joined else [spelling, value]
    typed = parse(["train", *words, "jsc-tiny", "jsc"])
    assert {key: typed.pop(key) for key in ("action",)} == {"action": "train"}
    options = merge(typed).options
    assert getattr(options, name) == effective
    expected = {**defaults(), name: effective, "model": "jsc-tiny", "dataset": "jsc"}
    assert options.model_dump() == expected


def test_the_list_above_is_complete():
    tested = {spelling for spelling, *_ in SPELLINGS}
    known = {spelling for flag in flags().values() for spelling in flag.spellings}
    assert tested == known


def test_only_what_is_typed_leaves_a_trace():
    assert parse(["train"]) == {"action": "train"}
    assert parse([]) == {}


@pytest.mark.parametrize(
    "words",
    [
        ["train", "jsc-tiny", "jsc", "--cpu=0"],
        ["--cpu=0", "train", "jsc-tiny", "jsc"],
        ["train", "--cpu", "0", "jsc-tiny", "jsc"],
        ["train", "jsc-tiny", "--cpu=0", "jsc"],
    ],
)
def test_positionals_and_options_mix(words):
    assert parse(words) == {"action": "train", "model": "jsc-tiny", "dataset": "jsc", "num_workers": "0"}


def test_a_flag_can_be_taken_back(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text("is_pretrained = true")
    assert merge({}, path).options.is_pretrained is True
    typed = parse(["test", "--no-pretrained"])
    typed.pop("action")
    assert merge(typed, path).options.is_pretrained is False


def test_import_is_repeatable():
    assert parse(["--import", "a.py", "--import=b", "train"])["imports"] == ["a.py", "b"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "--bach-size", "3"], r"unknown option '--bach-size' \(did you mean '--batch-size'\?\)"),
        (["train", "--bach-size=3"], r"unknown option '--bach-size' \(did you mean '--batch-size'\?\)"),
        (["train", "--pretraind"], r"did you mean '--pretrained'"),
        (["train", "a", "b", "c"], r"unexpected argument 'c'"),
        (["train", "--batch-size"], r"expected one argument"),
        (["train", "--debug=yes"], r"ignored explicit argument 'yes'"),
        (["train", "--ma", "3"], r"ambiguous option"),
    ],
)
def test_refusals(words, message):
    with pytest.raises(ConfigError, match=message) as caught:
        parse(words)
    assert "\n" not in str(caught.value)


def test_help_names_every_public_option():
    text = build_parser().format_help()
    for name, flag in flags().items():
        for spelling in flag.spellings:
            assert (spelling in text) == (flag.help is not None), name


def test_keys_and_fields_are_one_to_one():
    assert sorted(keys().values()) == sorted(Options.model_fields)
