"""What ``ch`` answers, and the exit codes of a run that fails."""

from __future__ import annotations

import signal

import pytest

from chop import __version__
from chop.cli import app


def test_version(ch):
    for flag in ("--version", "-V"):
        outcome = ch(flag)
        assert (outcome.code, outcome.out, outcome.err) == (0, f"ch {__version__}\n", "")


def test_help(ch):
    for flag in ("--help", "-h"):
        outcome = ch(flag)
        assert outcome.code == 0
        assert outcome.out.startswith("usage: ch ")


def test_info(ch):
    outcome = ch("--info")
    assert outcome.code == 0
    assert {"jsc-toy", "jsc-mlp", "jsc-synth"} <= set(outcome.out.split())
    models = ch("--info", "model").out
    assert "jsc-toy" in models
    assert "jsc-synth" not in models
    ch("--info", "modle").is_refused("'modle'", "did you mean 'model'")


def test_info_lists_what_a_file_registers(ch, tmp_path):
    (tmp_path / "mine_for_info.py").write_text(
        "from chop.models import PHYSICAL_MODELS, get_model_info\n"
        "PHYSICAL_MODELS['model-of-mine'] = {'model': None, 'info': get_model_info('jsc-tiny')}\n"
    )
    try:
        assert "model-of-mine" in ch("--import", "mine_for_info.py", "--info").out
    finally:
        from chop.models import PHYSICAL_MODELS

        PHYSICAL_MODELS.pop("model-of-mine", None)


def _break(monkeypatch, error):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr("chop.cli.run.run_action", fail)


def test_a_run_that_fails_exits_with_1(ch, monkeypatch, small_data):
    _break(monkeypatch, RuntimeError("first\nsecond"))
    outcome = ch("train", "jsc-tiny", small_data, "--project", "p", "--cpu=0")
    assert outcome.code == 1
    assert outcome.err.splitlines()[-1] == "ch: RuntimeError: first second"
    assert "Traceback" not in outcome.err


def test_a_file_error_during_the_run_is_no_user_error(ch, monkeypatch, small_data):
    _break(monkeypatch, PermissionError(13, "Permission denied", "/x/best.ckpt"))
    outcome = ch("train", "jsc-tiny", small_data, "--project", "p", "--cpu=0")
    assert outcome.code == 1
    assert outcome.err.splitlines()[-1] == "ch: Permission denied: '/x/best.ckpt'"


def test_a_full_disk_names_the_folder(ch, monkeypatch, small_data):
    _break(monkeypatch, OSError(28, "No space left on device"))
    outcome = ch("train", "jsc-tiny", small_data, "--project", "p", "--cpu=0")
    assert outcome.code == 1
    assert outcome.err.splitlines()[-1] == "ch: No space left on device: 'mase_output/p/software'"


def test_debug_leaves_the_traceback_in_a_file(ch, monkeypatch, tmp_path, small_data):
    _break(monkeypatch, RuntimeError("boom"))
    outcome = ch("train", "jsc-tiny", small_data, "--project", "p", "--cpu=0", "--debug")
    assert outcome.code == 1
    assert "Traceback" not in outcome.err
    assert "RuntimeError: boom" in (tmp_path / "mase_output/p/software/traceback.txt").read_text()


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (app._Terminated(), 143)])
def test_interrupts(ch, monkeypatch, small_data, error, code):
    _break(monkeypatch, error)
    outcome = ch("train", "jsc-tiny", small_data, "--project", "p", "--cpu=0")
    assert outcome.code == code
    assert outcome.err.splitlines()[-1].startswith(("ch: interrupted: ", "ch: terminated: "))


def test_the_signal_handler_is_put_back(ch):
    before = signal.getsignal(signal.SIGTERM)
    ch("--version")
    assert signal.getsignal(signal.SIGTERM) is before
