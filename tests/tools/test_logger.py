"""The logger: silent until asked, one handler, colours only on a terminal."""

from __future__ import annotations

import io
import logging
import sys

import pytest

from chop.tools.errors import ConfigError
from chop.tools.logger import LevelFormatter, get_logger, set_logging_verbosity
from tests import programs


@pytest.fixture(autouse=True)
def _restore_logger():
    root = get_logger()
    before = (list(root.handlers), root.level, root.propagate)
    yield
    root.handlers, root.propagate = before[0], before[2]
    root.setLevel(before[1])


def test_import_installs_no_handler():
    code = (
        "import logging, chop.tools.logger; print(logging.getLogger('chop').handlers, logging.root.handlers)"
    )
    assert programs.output(code).strip() == "[] []"


def test_one_handler_however_often(capsys):
    for level in ("debug", "info", "warning", "info"):
        set_logging_verbosity(level)
    get_logger("chop.passes").info("told once")
    get_logger("chop.passes").debug("not told")
    assert capsys.readouterr().err == "INFO     told once\n"


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error", "critical"])
def test_levels(level, capsys):
    set_logging_verbosity(level)
    number = getattr(logging, level.upper())
    get_logger().log(number, "seen")
    get_logger().log(number - 1, "unseen")
    err = capsys.readouterr().err
    assert "seen" in err
    assert "unseen" not in err


def test_unknown_level():
    with pytest.raises(ConfigError, match=r"got 'warnin' \(did you mean 'warning'\?\)"):
        set_logging_verbosity("warnin")


def test_colour_on_a_terminal_only(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    set_logging_verbosity("info")
    get_logger().warning("look")
    assert stream.getvalue() == "\x1b[33mWARNING \x1b[0m \x1b[34mlook\x1b[0m\n"


def test_no_traceback_on_the_terminal():
    try:
        raise RuntimeError("boom")
    except RuntimeError:
        record = logging.LogRecord("chop", logging.ERROR, __file__, 1, "failed", None, sys.exc_info())
    assert LevelFormatter(colour=False).format(record) == "ERROR    failed"
