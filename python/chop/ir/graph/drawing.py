"""Drawings of a graph: DOT and Mermaid text without any dependency, images where Graphviz is installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from torch import fx

from chop.tools.atomic_write import atomic_write
from chop.tools.errors import ConfigError


def dot_text(graph: fx.Graph) -> str:
    """Return the graph in Graphviz' DOT language."""
    lines = ["digraph mase {", "  node [shape=box];"]
    for node in graph.nodes:
        lines.append(f'  "{node.name}" [label="{node.name}\\n{node.op}\\n{_target(node)}"];')
        lines += [f'  "{source.name}" -> "{node.name}";' for source in node.all_input_nodes]
    return "\n".join([*lines, "}", ""])


def mermaid_text(graph: fx.Graph) -> str:
    """Return the graph as a Mermaid flow chart."""
    lines = ["flowchart TD"]
    for node in graph.nodes:
        lines.append(f'  n_{node.name}["{node.name}<br/>{node.op}<br/>{_target(node)}"]')
        lines += [f"  n_{source.name} --> n_{node.name}" for source in node.all_input_nodes]
    return "\n".join([*lines, ""])


def draw_graph(graph: fx.Graph, file: Path) -> Path:
    """Write a drawing; the ending decides: ``.dot``, ``.mmd`` (Mermaid), or an image format of Graphviz.

    Raises:
        ConfigError: an image is asked for and the ``dot`` program is missing or refuses the format.
    """
    if file.suffix in (".dot", ".mmd"):
        return atomic_write(file, dot_text(graph) if file.suffix == ".dot" else mermaid_text(graph))
    program = shutil.which("dot")
    if program is None:
        raise ConfigError(f"draw: {file.name} needs the Graphviz program 'dot'; .dot and .mmd need nothing")
    command = [program, f"-T{file.suffix.removeprefix('.')}"]
    done = subprocess.run(command, input=dot_text(graph).encode(), capture_output=True, check=False)
    if done.returncode != 0:
        raise ConfigError(
            f"draw: Graphviz cannot write {file.name}: {done.stderr.decode(errors='replace').strip()}"
        )
    return atomic_write(file, done.stdout)


def _target(node: fx.Node) -> str:
    return str(getattr(node.target, "__name__", node.target)).replace('"', "'")
