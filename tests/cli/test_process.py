"""``python -m chop`` as a process: signals, pipes, what it imports."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import chop

# An absolute path, for a checkout that is on the path by a relative one.
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(chop.__file__).parents[1])}


def _process(*words, cwd: Path):
    command = [sys.executable, "-m", "chop", *map(str, words)]
    pipe = subprocess.PIPE
    # Whoever runs the tests in the background has SIGINT ignored, and children inherit that.
    reset = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(
        command, cwd=cwd, env=ENVIRONMENT, stdout=pipe, stderr=pipe, text=True, preexec_fn=reset
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_real_signals_end_a_training_run(tmp_path, small_data, number, code):
    words = ["train", "jsc-tiny", small_data, "--cpu=0", "--max-epochs", "100000", "--project", "p"]
    process = _process(*words, cwd=tmp_path)
    try:
        for line in process.stderr:
            if "Epoch" in line or "train:" in line:
                break
        process.send_signal(number)
        out, err = process.communicate(timeout=90)
    finally:
        process.kill()
    assert process.returncode == code
    assert err.splitlines()[-1].startswith(("ch: interrupted: ", "ch: terminated: "))
    assert "Traceback" not in out + err


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="the system has no limit on file sizes")
def test_a_disk_that_is_full_keeps_the_old_checkpoint(ch, tmp_path, small_data):
    words = ["train", "jsc-tiny", small_data, "--cpu=0", "--max-steps", "2", "--project", "p"]
    assert ch(*words).code == 0
    files = _all_but_logs(tmp_path)
    assert files
    code = (
        "import resource, sys\nfrom chop.cli.app import main\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\nsys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, *map(str, words), "--seed", "1"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=ENVIRONMENT)
    assert done.returncode == 1
    assert "p/software" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert _all_but_logs(tmp_path) == files


def _all_but_logs(folder):
    """TensorBoard's event files grow as long as they can."""
    files = (path for path in folder.rglob("*") if path.is_file() and "tensorboard" not in path.parts)
    return {path: path.read_bytes() for path in files}


def test_a_reader_that_goes_away(tmp_path):
    process = _process("--help", cwd=tmp_path)
    process.stdout.close()
    err = process.stderr.read()
    process.wait(timeout=20)
    assert "Traceback" not in err
    assert "Exception" not in err


def test_start_up_is_light(tmp_path):
    heavy = (
        "optuna",
        "lightning",
        "matplotlib",
        "pandas",
        "h5py",
        "torch._dynamo",
        "tensorboard",
        "safetensors",
    )
    code = (
        "import sys\nfrom chop.cli.app import main\nassert main(['--help']) == 0\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path, env=ENVIRONMENT)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("program", ["module", "script"])
def test_an_interrupt_among_the_imports_is_one_line(tmp_path, program):
    # torch takes the longest to import: a stand-in for it waits to be stopped, and says when.
    (tmp_path / "slow").mkdir()
    (tmp_path / "slow/torch.py").write_text(
        "import sys, time\nsys.stderr.write('importing\\n')\nsys.stderr.flush()\ntime.sleep(60)\n"
    )
    script = tmp_path / "ch"
    script.write_text("import sys\nfrom chop.cli.app import main\nsys.exit(main())\n")
    command = [sys.executable, "-m", "chop"] if program == "module" else [sys.executable, str(script)]
    environment = {**ENVIRONMENT, "PYTHONPATH": str(tmp_path / "slow")}
    process = subprocess.Popen(
        [*command, "train", "jsc-tiny", "jsc-synth"], cwd=tmp_path, env=environment, stderr=subprocess.PIPE,
        text=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    try:
        assert process.stderr.readline() == "importing\n"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, said) == (130, "ch: interrupted: nothing was written\n")


def test_other_programs_keep_their_own_interrupt():
    code = "import chop, signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=ENVIRONMENT)
    assert done.stdout.strip() == "True", done.stderr
