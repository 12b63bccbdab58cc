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
# One process imports torch and forks for each statement, which sees no import of the others.
MEASURE = """
import json, os, sys, time
import torch, numpy
before = set(sys.modules)
for statement in json.loads(sys.argv[1]):
    if (child := os.fork()) == 0:
        start = time.perf_counter()
        exec(statement)
        seconds = time.perf_counter() - start
        print(json.dumps([statement, sorted(set(sys.modules) - before), seconds]), flush=True)
        os._exit(0)
    if os.waitpid(child, 0)[1] != 0:
        sys.exit(f"{statement} failed")
"""
STATEMENTS = ["import chop", "import optuna", *(f"import chop.{layer}" for layer in LAYERS)]


@pytest.fixture(scope="module")
def added() -> dict[str, tuple[list[str], float]]:
    """Statement -> what it imports above torch and numpy in a new interpreter, and the seconds it took."""
    code = [sys.executable, "-c", MEASURE, json.dumps(STATEMENTS)]
    done = subprocess.run(code, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    # What else a child prints stands in lines of its own.
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    assert [statement for statement, _, _ in told] == STATEMENTS
    return {statement: (names, seconds) for statement, names, seconds in told}


def heavy_ones(names: list[str]) -> list[str]:
    return [heavy for heavy in HEAVY if any(n == heavy or n.startswith(f"{heavy}.") for n in names)]


def test_import_chop_is_light(added: dict[str, tuple[list[str], float]]) -> None:
    names, seconds = added["import chop"]
    assert "chop._core" in names
    assert heavy_ones(names) == []
    # 0.3 s is the goal on a quiet machine; this one only catches a heavy import that has another name.
    assert seconds < 3.0


@pytest.mark.parametrize("layer", LAYERS)
def test_no_layer_is_heavy_to_import(layer: str, added: dict[str, tuple[list[str], float]]) -> None:
    names, _ = added[f"import chop.{layer}"]
    assert f"chop.{layer}" in names
    allowed = {"pydantic", "tqdm", "tabulate"} if layer in {"cli", "actions"} else set()
    assert set(heavy_ones(names)) - allowed == set()


def test_the_heavy_ones_would_be_seen(added: dict[str, tuple[list[str], float]]) -> None:
    assert heavy_ones(added["import optuna"][0]) != []


def test_no_log_handler_at_import() -> None:
    code = "import chop; from logging import getLogger as g; print(g().handlers, g('chop').handlers)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["[]", "[]"], done.stderr
