"""`import chop` brings torch and numpy and nothing heavy: the rest loads on use."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

# What torch itself imports is not ours to avoid and does not count.
HEAVY = ["optuna", "lightning", "pytorch_lightning", "matplotlib", "h5py", "pandas", "pydantic", "pyarrow"]
HEAVY += ["torchmetrics", "tensorboard", "torch._dynamo", "tomlkit", "pooch", "tqdm", "tabulate"]
LAYERS = ["cli", "actions", "evaluator", "passes", "models", "dataset", "ir", "nn", "tools", "registry"]
LAYERS += ["certificate", "comparison", "format_scan", "plotting", "search", "sensitivities"]
MEASURE = """
import json, sys, time
import torch, numpy
before = set(sys.modules)
start = time.perf_counter()
{statement}
seconds = time.perf_counter() - start
print(json.dumps([sorted(set(sys.modules) - before), seconds]))
"""


def modules_added_by(statement: str) -> tuple[list[str], float]:
    """What ``statement`` imports above torch and numpy in a new interpreter, and the seconds it took."""
    code = MEASURE.format(statement=statement)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    names, seconds = json.loads(done.stdout.splitlines()[-1])
    return names, seconds


def heavy_ones(names: list[str]) -> list[str]:
    return [heavy for heavy in HEAVY if any(n == heavy or n.startswith(f"{heavy}.") for n in names)]


def test_import_chop_is_light() -> None:
    names, seconds = modules_added_by("import chop")
    assert heavy_ones(names) == []
    # 0.3 s is the goal on a quiet machine; this one only catches a heavy import that has another name.
    assert seconds < 3.0


@pytest.mark.parametrize("layer", LAYERS)
def test_no_layer_is_heavy_to_import(layer: str) -> None:
    names, _ = modules_added_by(f"import chop.{layer}")
    allowed = {"pydantic", "tqdm", "tabulate"} if layer in {"cli", "actions"} else set()
    assert set(heavy_ones(names)) - allowed == set()


def test_the_heavy_ones_would_be_seen() -> None:
    assert heavy_ones(modules_added_by("import optuna")[0]) != []


def test_no_log_handler_at_import() -> None:
    code = "import chop; from logging import getLogger as g; print(g().handlers, g('chop').handlers)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["[]", "[]"], done.stderr
