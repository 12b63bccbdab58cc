"""The completion scripts: bash runs its own, and the other shells at least accept theirs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from chop.cli.commands import COMMANDS
from chop.cli.options import ACTIONS
from chop.models import model_names

pytest.importorskip("shtab", reason="the extra `completion` is not installed")
bash = pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")

ASK = """
source "$1"; shift
read -r _ _ _ _ function _ <<< "$(complete -p ch)"
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
$function
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory) -> Path:
    from chop.cli.commands.completion import completion_script

    path = tmp_path_factory.mktemp("shell") / "ch.bash"
    path.write_text(completion_script("bash"))
    return path


def replies(script: Path, *words: str, cwd: Path | None = None) -> set[str]:
    """What bash offers for the last of ``words``, an argument of ch."""
    command = ["bash", "--norc", "-c", ASK, "bash", str(script), "ch", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=cwd, timeout=30)
    assert done.stderr == ""
    return {line.strip() for line in done.stdout.splitlines() if line.strip()}


@bash
def test_bash_offers_actions_and_commands(script):
    assert replies(script, "") >= {*ACTIONS, *COMMANDS}
    assert replies(script, "tr") == {"train", "transform"}


@bash
def test_bash_offers_models_data_sets_and_options(script):
    assert replies(script, "train", "jsc-t") == {n for n in model_names() if n.startswith("jsc-t")}
    assert replies(script, "search", "jsc-toy", "jsc-s") == {"jsc-synth"}
    assert replies(script, "train", "--learning") == {"--learning-rate"}
    assert replies(script, "eval", "--quan") == {"--quantize"}
    assert replies(script, "train", "--load-type", "") == {"mz", "pt", "pl", "hf"}
    assert replies(script, "doctor", "--no") == {"--no-self-test"}
    assert replies(script, "completion", "f") == {"fish"}


@bash
def test_bash_offers_files(script, tmp_path):
    (tmp_path / "best.ckpt").touch()
    (tmp_path / "besteller").mkdir()
    assert replies(script, "train", "--load", "bes", cwd=tmp_path) == {"best.ckpt", "besteller"}
    assert replies(script, "train", "--project-dir", "bes", cwd=tmp_path) == {"besteller"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_accepts_its_script(ch, shell, tmp_path):
    done = ch("completion", shell)
    assert done.code == 0 and "learning-rate" in done.out
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed: its script was made but not read")
    path = tmp_path / "script"
    path.write_text(done.out)
    read = subprocess.run([shell, "-n", path], capture_output=True, text=True, timeout=30)
    assert read.returncode == 0, read.stderr


def test_another_shell_is_refused(ch):
    ch("completion", "bahs").is_refused("bash, zsh, fish", "got 'bahs'", "did you mean 'bash'")
    ch("completion").is_refused("shell")
