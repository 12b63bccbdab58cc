"""``ch``: from the words on the command line to a run and an exit code.

Exit codes: 0 done; 1 the run failed; 2 something the user gave cannot be used; 130 Ctrl-C; 143 SIGTERM.
Every failure is one line on standard error.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from chop import _interrupt
from chop.cli.action_help import ABOUT, action_parser, overview
from chop.cli.commands import COMMANDS, run_command
from chop.cli.going_on import how_to_go_on
from chop.cli.parser import build_parser, parse
from chop.registry import UnknownNameError
from chop.tools.errors import ConfigError
from chop.tools.writer import write_line

_USER_ERRORS = (ConfigError, UnknownNameError)
_FILE_ERRORS = (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError)


class _Terminated(KeyboardInterrupt):
    """SIGTERM: the same orderly end as Ctrl-C."""


class _Run:
    """How far a run has come; decides what a failure means."""

    def __init__(self) -> None:
        self.folder: Path | None = None  # set once everything is checked and writing may begin
        self.debug = False
        self.argv: tuple[str, ...] = ()
        self.action: str | None = None
        self.options: Any = None
        self.version: Any = None  # of the results, once the action runs

    def going_on(self) -> str:
        """How to go on after Ctrl-C; a command beside the actions writes at its end."""
        if self.version is not None and self.version.put_back:
            return "the results of the run before are as they were; the same command begins again"
        return how_to_go_on(self.action, self.options, self.folder)


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``ch`` with the words ``argv`` (default: those of the process) and return the exit code.

    >>> import contextlib, io
    >>> with contextlib.redirect_stderr(io.StringIO()) as said:
    ...     code = main(["train", "jsc-toy", "jsc-synth", "--batch-size", "0"])
    >>> code, said.getvalue()
    (2, 'ch: --batch-size must be an integer in 1..2147483647, got 0\\n')
    """
    run = _Run()
    run.argv = tuple(sys.argv[1:] if argv is None else argv)
    try:
        _interrupt.restore()
        with warnings.catch_warnings(), _sigterm_as_interrupt():
            _main(run)
        return 0
    except KeyboardInterrupt as error:
        terminated = isinstance(error, _Terminated)
        _report(f"{'terminated' if terminated else 'interrupted'}: {run.going_on()}")
        return 143 if terminated else 130
    except BrokenPipeError:
        # The reader of our output went away, as in `ch ... | head`; nothing can be said there any more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except _USER_ERRORS as error:
        return _fail(error, run, 2)
    except Exception as error:
        named_input = isinstance(error, _FILE_ERRORS) and run.folder is None
        return _fail(error, run, 2 if named_input else 1)


def _fail(error: Exception, run: _Run, code: int) -> int:
    if isinstance(error, OSError) and error.strerror is not None:
        # A full disk names no file; the folder at least is known.
        place = error.filename if error.filename is not None else run.folder
        text = error.strerror if place is None else f"{error.strerror}: {os.fspath(place)!r}"
    else:
        text = str(error)
    known = isinstance(error, (*_USER_ERRORS, OSError)) and text
    _report(text if known else f"{type(error).__name__}: {text}")
    if run.debug and run.folder is not None:
        from chop.tools.atomic_write import atomic_write

        with contextlib.suppress(OSError):
            atomic_write(run.folder / "traceback.txt", "".join(traceback.format_exception(error)))
    return code


def _report(text: str) -> None:
    sys.stderr.write(f"ch: {' '.join(text.split())}\n")


@contextlib.contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise _Terminated

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _main(run: _Run) -> None:
    if run.argv and run.argv[0] in COMMANDS:
        run_command(run.argv[0], run.argv[1:])
        return
    typed = parse(run.argv)
    if typed.pop("help", False):
        write_line(_help(typed).rstrip())
        return
    if typed.pop("version", False):
        from chop import __version__

        write_line(f"ch {__version__}")
        return
    info, action, config = (typed.pop(key, None) for key in ("info", "action", "config"))
    _start(info, action, config, typed, run)


def _help(typed: dict[str, Any]) -> str:
    action = typed.get("action")
    if typed.get("show_options"):
        return build_parser().format_help()
    return action_parser(action).format_help() if action in ABOUT else overview()


def _start(
    info: str | None, action: str | None, config: str | None, typed: dict[str, Any], run: _Run
) -> None:
    from chop.cli import checks
    from chop.cli.merge import merge
    from chop.cli.plugins import import_named
    from chop.tools.logger import set_logging_verbosity

    if info is None:
        checks.check_action(action)
    merged = dataclasses.replace(merge(typed, config), argv=run.argv)
    options = merged.options
    set_logging_verbosity("debug" if options.to_debug else options.log_level)
    if options.no_warnings:
        warnings.simplefilter("ignore")
    _seed(options.seed)
    import_named(options.imports or (), options.model, config, merged.typed)
    if info is not None:
        from chop.cli.information import show_information

        show_information(info)
        return
    _run_checked(str(action), merged, run)


def _run_checked(action: str, merged: Any, run: _Run) -> None:
    from chop.cli import checks
    from chop.cli import parts as building
    from chop.cli import run as steps
    from chop.cli.rebuild import source_of
    from chop.cli.search_strategy import apply_strategy
    from chop.cli.versions import versioned

    run.action, run.options = action, merged.options
    merged = apply_strategy(action, merged)
    checks.check_needs(action, merged)
    checks.check_tables(merged)
    project = checks.check_project(merged.options)
    building.check_names(merged.options)
    write_line(_table(merged))
    checks.warn_about_ignored(merged.options, merged.typed)
    parts = building.build(action, merged.options)
    parts = dataclasses.replace(parts, source=source_of(action, merged))
    steps.check_action_against_model(action, merged, parts, project.software)
    if merged.options.dry_run:
        steps.run_action(action, merged, parts, project)
        return
    run.folder, run.debug = project.software, merged.options.to_debug
    project.make()
    with (
        _profile(project.software / "profile.txt" if merged.options.profile else None),
        versioned(action, merged, project.software) as version,
    ):
        run.version = version
        version.figures = steps.run_action(action, merged, parts, project)
    if action != "search":  # which says so itself
        write_line(f"Results: {project.software}")


def _table(merged: Any) -> str:
    from chop.cli.options import defaults, flags, keys
    from chop.cli.tables import options_table
    from chop.tools.config_load import merge_options

    config, typed = _without_passwords(merged.config), _without_passwords(merged.typed)
    given = {*(config or ()), *(typed or ())}
    # As given, not as converted: 0 stays 0 although the option is a number with a fraction.
    usual, effective = defaults(), merge_options(defaults(), config or {}, typed or {})
    if merged.options.to_debug or merged.options.show_options:
        shown = {name for name, flag in flags().items() if flag.table} | given
    else:
        shown = {name for name in given if effective[name] != usual[name]}
    labels = {name: key for key, name in keys().items() if name in shown}
    return options_table(usual, config, typed or {}, effective, labels=labels, colour=sys.stdout.isatty())


def _without_passwords(values: dict[str, Any] | None) -> dict[str, Any] | None:
    if values is None or not isinstance(values.get("storage"), str):
        return values
    from chop.actions.search.journal.storage import masked

    return values | {"storage": masked(values["storage"])}


def _seed(seed: int) -> None:
    import random

    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


@contextlib.contextmanager
def _profile(path: Path | None) -> Iterator[None]:
    if path is None:
        yield
        return
    import cProfile
    import io
    import pstats

    from chop.tools.atomic_write import atomic_write

    profiler = cProfile.Profile()
    try:
        with profiler:
            yield
    finally:
        text = io.StringIO()
        pstats.Stats(profiler, stream=text).sort_stats("cumulative").print_stats(60)
        atomic_write(path, text.getvalue())
