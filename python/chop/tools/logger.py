"""Logging: everything goes to the logger "chop"; a handler is installed on request, never at import.

Level names and their colours follow MASE's (the example colours of the colorlog package).
"""

from __future__ import annotations

import logging
import sys
from typing import TextIO

from chop.registry import did_you_mean
from chop.tools.errors import ConfigError

LEVELS = ("debug", "info", "warning", "error", "critical")
_COLOURS = {"DEBUG": "36", "INFO": "32", "WARNING": "33", "ERROR": "31", "CRITICAL": "31;47"}
_RESET = "\x1b[0m"


def get_logger(name: str = "chop") -> logging.Logger:
    """Return the logger ``name``, placed below "chop" so that one handler serves all.

    >>> get_logger("chop.passes").name, get_logger("mine").name
    ('chop.passes', 'chop.mine')
    """
    if name == "chop" or name.startswith("chop."):
        return logging.getLogger(name)
    return logging.getLogger(f"chop.{name}")


class LevelFormatter(logging.Formatter):
    """``LEVEL    message``, the level in its colour where the stream is a terminal."""

    def __init__(self, colour: bool) -> None:
        super().__init__()
        self.colour = colour

    def format(self, record: logging.LogRecord) -> str:
        level = f"{record.levelname:<8}"
        message = record.getMessage()
        if self.colour:
            level = f"\x1b[{_COLOURS.get(record.levelname, '37')}m{level}{_RESET}"
            message = f"\x1b[34m{message}{_RESET}"
        # A traceback is never shown on the terminal: the message has to say what went wrong.
        return f"{level} {message}"


class _StderrHandler(logging.StreamHandler[TextIO]):
    """Looks sys.stderr up at each record: notebooks and test runners replace it."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        isatty = getattr(self.stream, "isatty", None)
        self.formatter = LevelFormatter(colour=bool(isatty and isatty()))
        super().emit(record)


def set_logging_verbosity(level: str = "info") -> None:
    """Show the messages of "chop" from ``level`` upwards on standard error.

    Installs the handler the first time; calling again only changes the level.

    Args:
        level: one of debug, info, warning, error, critical.

    Raises:
        ConfigError: another level.

    >>> set_logging_verbosity("warning")
    >>> get_logger().level == logging.WARNING
    True
    >>> set_logging_verbosity("loud")
    Traceback (most recent call last):
    ...
    chop.tools.errors.ConfigError: log level must be one of debug, info, warning, error, critical, got 'loud'
    """
    if level not in LEVELS:
        hint = did_you_mean(level, LEVELS)
        raise ConfigError(f"log level must be one of {', '.join(LEVELS)}, got {level!r}{hint}")
    root = get_logger()
    if not any(isinstance(handler, _StderrHandler) for handler in root.handlers):
        root.addHandler(_StderrHandler())
        root.propagate = False
    root.setLevel(level.upper())
