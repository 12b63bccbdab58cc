"""Write one HTML file about a study: front, coordinates, effects, table and configs, with its pictures beside it."""

from __future__ import annotations

import argparse

from chop.tools.writer import write_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The study, its name, the file to write."""
    parser.add_argument(
        "study",
        metavar="STUDY",
        help="a project's folder, its search_ckpts, a journal, an SQLite database, a sweep's file, or a storage URL",
    )
    parser.add_argument(
        "--study", dest="study_name", metavar="NAME", help="which one, where there are several"
    )
    parser.add_argument(
        "--out", metavar="PATH", help="the HTML file (default: report/report.html beside what was read)"
    )


def run(arguments: argparse.Namespace) -> None:
    """Write the report and say where.

    Raises:
        ConfigError: no study, a pickle, another file than HTML.
    """
    from chop.actions.study_report import report

    written = report(arguments.study, arguments.study_name, arguments.out)
    write_line(f"Report: {written}, its pictures beside it")
