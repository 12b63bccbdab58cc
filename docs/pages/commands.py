"""The command line as a page: the help of ch and of its commands, as it is printed."""

from __future__ import annotations

import os


def command_page() -> str:
    """The help texts, at 100 columns."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "100"
    try:
        return _page()
    finally:
        os.environ.pop("COLUMNS") if before is None else os.environ.__setitem__("COLUMNS", before)


def _page() -> str:
    from chop.cli.action_help import action_parser, overview
    from chop.cli.commands import COMMANDS, command_parser, load_command
    from chop.cli.options import ACTIONS
    from chop.cli.parser import build_parser

    parts = [
        "# The command line\n\n`ch` and `python -m chop` are the same program. Exit codes: 0 done; 1 the run failed; "
        "2 something that was given cannot be used; 130 Ctrl-C; 143 SIGTERM.\n",
        _block(overview()),
    ]
    for name in ACTIONS:
        parts += [f"## {name}\n", _block(action_parser(name).format_help())]
    parts += ["## Every option of the four actions\n", _block(build_parser().format_help())]
    for name in sorted(COMMANDS):
        about = (load_command(name).__doc__ or "").strip().splitlines()[0]
        parts += [f"## {name}\n\n{about}\n", _block(command_parser(name).format_help())]
    return "\n".join(parts)


def _block(text: str) -> str:
    # The number of processors is this machine's business.
    text = text.replace(f"the main process (default: {os.cpu_count()})", "the main process (default: all)")
    return f"```text\n{text.rstrip()}\n```\n"
