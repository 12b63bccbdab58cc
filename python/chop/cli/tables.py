"""The table of options that opens every run."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

GREY, RESET = "\x1b[38;5;8m", "\x1b[0m"
_WIDTH = 24


def options_table(
    defaults: Mapping[str, Any],
    config: Mapping[str, Any] | None,
    typed: Mapping[str, Any],
    effective: Mapping[str, Any],
    *,
    labels: Mapping[str, str],
    colour: bool,
) -> str:
    """Lay out Default, Config. File (only with a config), Manual Override and Effective of each option.

    Args:
        defaults, config, typed, effective: option -> value; config None means there is no config file.
        labels: the rows: option -> what stands under Name.
        colour: grey out what a later column replaces (ANSI codes).

    Source: the layout is MASE's.

    >>> labels = {"seed": "seed"}
    >>> print(options_table({"seed": 0}, None, {"seed": 3}, {"seed": 3}, labels=labels, colour=False))
    +------+---------+-----------------+-----------+
    | Name | Default | Manual Override | Effective |
    +------+---------+-----------------+-----------+
    | seed |    0    |        3        |     3     |
    +------+---------+-----------------+-----------+
    """
    from tabulate import tabulate

    def cell(value: Any, replaced: bool = False) -> str:
        grey = replaced and colour
        return "\n".join(f"{GREY}{line}{RESET}" if grey else line for line in _wrap(value))

    rows = []
    for name, label in labels.items():
        in_config = config is not None and name in config
        row = [label, cell(defaults[name], in_config or name in typed)]
        if config is not None:
            row.append(cell(config[name], name in typed) if in_config else "")
        row += [cell(typed[name]) if name in typed else "", cell(effective[name])]
        rows.append(row)
    headers = ["Name", "Default", "Manual Override", "Effective"]
    if config is not None:
        headers.insert(2, "Config. File")
    align = ("left", *["center"] * (len(headers) - 1))
    return tabulate(rows, headers=headers, tablefmt="pretty", colalign=align)


def _wrap(value: Any) -> list[str]:
    # By hand, because tabulate's own wrapping guesses types: it turns "False" into True.
    text = "".join(char if char.isprintable() else "?" for char in str(value))
    return textwrap.wrap(text, _WIDTH) or [""]
