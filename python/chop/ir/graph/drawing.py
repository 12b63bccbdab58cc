"""Drawings of a graph: DOT and Mermaid text without any dependency, images where Graphviz is installed."""

from __future__ import annotations

import logging
import shutil
import subprocess
from pathlib import Path

from torch import fx

from chop.tools.atomic_write import atomic_write
from chop.tools.errors import ConfigError

logger = logging.getLogger(__name__)


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
    """Write a drawing. ``.dot`` and ``.mmd`` (Mermaid) give that one text file.

    Any other ending is an image format of Graphviz: both texts are written beside it in any case, and the
    image where the ``dot`` program is installed (a warning says so where it is not).

    Returns:
        The image, or the DOT text where none was made.

    Raises:
        ConfigError: ``dot`` refuses the format.
    """
    if file.suffix in (".dot", ".mmd"):
        return atomic_write(file, dot_text(graph) if file.suffix == ".dot" else mermaid_text(graph))
    program = shutil.which("dot")
    image = None if program is None else _image(program, graph, file)
    atomic_write(file.with_suffix(".mmd"), mermaid_text(graph))
    text_file = atomic_write(file.with_suffix(".dot"), dot_text(graph))
    if image is None:
        logger.warning(
            "draw: %s needs the Graphviz program 'dot'; wrote %s and the Mermaid text beside it",
            file.name,
            text_file.name,
        )
        return text_file
    return atomic_write(file, image)


def _image(program: str, graph: fx.Graph, file: Path) -> bytes:
    command = [program, f"-T{file.suffix.removeprefix('.')}"]
    done = subprocess.run(command, input=dot_text(graph).encode(), capture_output=True, check=False)
    if done.returncode != 0:
        raise ConfigError(
            f"draw: Graphviz cannot write {file.name}: {done.stderr.decode(errors='replace').strip()}"
        )
    return done.stdout


def _target(node: fx.Node) -> str:
    return str(getattr(node.target, "__name__", node.target)).replace('"', "'")
