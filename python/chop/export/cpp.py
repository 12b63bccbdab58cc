"""Target ``cpp``: one C++17 header of whole numbers, and a program that tests it on recorded rows."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from chop.export.cpp_source import header
from chop.export.cpp_text import array
from chop.export.target import MissingExecutor, Refusal, Sample, Target, register
from chop.integers import NotIntegerError, QuantizedView, integer_net
from chop.tools.atomic_write import atomic_write

_NAMESPACE = "chop_net"
_COMPILERS = ("g++", "clang++")
_FLAGS = ("-std=c++17", "-O2", "-Wall", "-Wextra", "-Wconversion", "-Werror")
_MOST_NUMBERS = 1 << 22

# Reads rows of float32 from a file and writes the outputs to another.
_DRIVER = """#include "net.h"
#include <cstdio>
#include <vector>
int main(int, char** names) {
  std::FILE* in = std::fopen(names[1], "rb");
  std::FILE* out = std::fopen(names[2], "wb");
  std::vector<float> x(chop_net::inputs), y(chop_net::outputs);
  while (std::fread(x.data(), sizeof(float), x.size(), in) == x.size()) {
    chop_net::predict(x.data(), y.data());
    std::fwrite(y.data(), sizeof(float), y.size(), out);
  }
  return std::fclose(out);
}
"""


@register
class Cpp(Target):
    """C++17: ``net.h`` and ``main.cpp`` in a folder."""

    name, file = "cpp", "cpp"
    executor = ()
    as_numbers = ("",)  # whatever compiles it, codes have no sign of zero
    takes_features = True

    def refusals(self, view: QuantizedView) -> Iterator[Refusal]:
        yield from not_whole(view)

    def write(self, view: QuantizedView, path: Path, sample: Sample) -> None:
        net = integer_net(view)
        path.mkdir()
        atomic_write(path / "net.h", header(net, _NAMESPACE))
        atomic_write(path / "main.cpp", _self_test(sample))

    def execute(self, path: Path, x: np.ndarray) -> dict[str, np.ndarray]:
        found = _compilers()
        if not found:
            raise MissingExecutor("no C++ compiler: g++ or clang++ runs this")
        _self_tested(found[0], path)
        names = [Path(c).name for c in found]
        return {
            name if names.count(name) == 1 else c: _compiled(c, path, x)
            for name, c in zip(names, found, strict=True)
        }


def _compilers() -> list[str]:
    """Paths of those that are there, that of the environment first; each once, whatever calls it by a path."""
    names = (os.environ.get("CXX", ""), *_COMPILERS)
    return list(dict.fromkeys(path for name in names if name and (path := shutil.which(name))))


def not_whole(view: QuantizedView) -> Iterator[Refusal]:
    """Yield why a view is no arithmetic on whole numbers."""
    if (size := sum(v.size for node in view for v in node.values.values())) > _MOST_NUMBERS:
        yield Refusal(view.output, "", f"{size:,} weights in source text; at most {_MOST_NUMBERS:,}", "onnx")
    try:
        integer_net(view)
    except NotIntegerError as error:
        yield Refusal(error.node, "", error.reason, "onnx-arithmetic")


def _self_test(sample: Sample) -> str:
    rows = len(sample.x)
    arrays = array("x", sample.x), array("y", sample.y)
    return f"""// Runs the network on {rows} recorded rows and compares: exit code 0 where all outputs are equal.
#include "net.h"
#include <cstdio>

namespace {{
{arrays[0]}
{arrays[1]}
}}  // namespace

int main() {{
  int wrong = 0;
  for (int row = 0; row < {rows}; ++row) {{
    float found[{_NAMESPACE}::outputs];
    {_NAMESPACE}::predict(x + row * {_NAMESPACE}::inputs, found);
    for (int i = 0; i < {_NAMESPACE}::outputs; ++i) {{
      const float wanted = y[row * {_NAMESPACE}::outputs + i];
      if (!(found[i] == wanted) && (found[i] == found[i] || wanted == wanted)) ++wrong;
    }}
  }}
  std::printf("{rows} rows, %d outputs differ\\n", wrong);
  return wrong == 0 ? 0 : 1;
}}
"""


def _self_tested(compiler: str, path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        program = f"{folder}/main"
        _call([compiler, *_FLAGS, str(path / "main.cpp"), "-o", program])
        _call([program])


def _compiled(compiler: str, path: Path, x: np.ndarray) -> np.ndarray:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        atomic_write(folder / "driver.cpp", _DRIVER)
        atomic_write(folder / "x", x.tobytes())
        program = str(folder / "driver")
        _call([compiler, *_FLAGS, f"-I{path}", str(folder / "driver.cpp"), "-o", program])
        _call([program, str(folder / "x"), str(folder / "y")])
        outputs = np.frombuffer((folder / "y").read_bytes(), np.float32)
    return outputs.reshape(len(x), -1)


def _call(words: list[str]) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{Path(words[0]).name} fails: {(done.stderr or done.stdout).strip()[:500]}")
