"""Target ``hls4ml``: a project folder for high-level synthesis, which plain g++ compiles and runs."""

from __future__ import annotations

import contextlib
import ctypes
import io
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from chop.export.cpp import not_whole
from chop.export.hls4ml_layers import hls4ml_layers
from chop.export.hls4ml_places import Layers
from chop.export.target import MissingExecutor, Refusal, Sample, Target, register
from chop.integers import NotIntegerError, QuantizedView, integer_net
from chop.tools.atomic_write import atomic_write

_PROJECT, _STAMP = "chop_net", "chop"


@register
class Hls4ml(Target):
    """A folder that hls4ml writes: types, input type and accumulators are those of the integer net."""

    name, file = "hls4ml", "hls4ml"
    writer, executor = ("hls4ml",), ("hls4ml",)
    as_numbers = ("g++",)  # fixed point has no sign of zero

    def refusals(self, view: QuantizedView) -> Iterator[Refusal]:
        found = False
        for refusal in not_whole(view):
            found = True
            yield refusal
        if not found:
            try:
                hls4ml_layers(integer_net(view))
            except NotIntegerError as error:
                yield Refusal(error.node, "", error.reason, "cpp")

    def write(self, view: QuantizedView, path: Path, sample: Sample) -> None:
        _written(hls4ml_layers(integer_net(view)), path)

    def execute(self, path: Path, x: np.ndarray) -> dict[str, np.ndarray]:
        if not shutil.which("g++"):
            raise MissingExecutor("no g++, which compiles the project")
        with tempfile.TemporaryDirectory() as folder:
            project = Path(folder) / "project"
            shutil.copytree(path, project)
            leave_windows_unoptimized(project)
            words = ["bash", str(project / "build_lib.sh")]
            done = subprocess.run(words, cwd=project, capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"g++ cannot compile the project: {done.stderr.strip()[:500]}")
            return {"g++": _predict(project, x)}


def _written(layers: Layers, path: Path) -> None:
    from hls4ml.model.graph import ModelGraph
    from hls4ml.utils.config import create_config

    config = create_config(output_dir=str(path), project_name=_PROJECT, backend="Vitis")
    config["HLSConfig"] = {
        "Model": {"Precision": "fixed<16,6>", "ReuseFactor": 1, "Strategy": "Latency"},
        "LayerName": {name: {"Precision": types} for name, types in layers.types.items()},
    }
    ends = [layers.rows[0]["name"]], [layers.rows[-1]["name"]]
    with contextlib.redirect_stdout(io.StringIO()):
        model = ModelGraph.from_layer_list(config, layers.rows, *ends)
        model.write()
    # Neither the folder nor the random stamp says anything of the model.
    changes = {str(path): ".", model.config.get_config_value("Stamp"): _STAMP}
    for file in sorted(p for p in path.iterdir() if p.is_file()):
        text, mode = file.read_text(encoding="utf-8"), file.stat().st_mode
        for old, new in changes.items():
            text = text.replace(old, new)
        atomic_write(file, text).chmod(mode)  # its scripts stay executable


def leave_windows_unoptimized(project: Path) -> None:
    """hls4ml writes a statement for each number of each window; optimizing them takes most of g++'s time."""
    source = project / "firmware" / "nnet_utils" / "nnet_code_gen.h"
    head = "static void fill_buffer("
    text = source.read_text(encoding="utf-8")
    atomic_write(source, text.replace(head, f'__attribute__((optimize("O0"))) {head}'))


def _predict(project: Path, x: np.ndarray) -> np.ndarray:
    """Run the compiled library row by row, as hls4ml's ``predict`` does."""
    import yaml

    library = ctypes.CDLL(str(project / "firmware" / f"{_PROJECT}-{_STAMP}.so"))
    function = getattr(library, f"{_PROJECT}_float")
    rows = np.ascontiguousarray(x.reshape(len(x), -1), np.float32)
    settings = yaml.safe_load((project / "hls4ml_config.yml").read_text(encoding="utf-8"))
    (shape,) = settings["OutputShapes"].values()
    outputs = np.zeros((len(x), *shape), np.float32)
    function.argtypes = [ctypes.c_void_p] * 2
    function.restype = None
    for row, output in zip(rows, outputs, strict=True):
        function(row.ctypes.data, output.ctypes.data)
    return outputs
