"""Old deep import paths of MASE, kept as names of the real modules.

``import chop.passes.graph.transforms.quantize.quantizers.integer`` gives the very module object of
``chop.nn.quantizers.integer``, so classes are identical under both paths and old pickles load.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from types import ModuleType

_QUANTIZE = "chop.passes.graph.transforms.quantize"
_FUNCTIONAL = "chop.nn.quantized.functional"

# Old path -> real module.
ALIASES: dict[str, str] = {
    f"{_QUANTIZE}.quantizers": "chop.nn.quantizers",
    **{
        f"{_QUANTIZE}.quantizers.{name}": f"chop.nn.quantizers.{name}"
        for name in (
            "binary",
            "block_fp",
            "block_log",
            "block_minifloat",
            "integer",
            "log",
            "minifloat",
            "ternary",
        )
    },
    f"{_QUANTIZE}.quantized_modules": "chop.nn.quantized.modules",
    f"{_QUANTIZE}.quantized_modules.conv1d": "chop.nn.quantized.modules.conv1d",
    f"{_QUANTIZE}.quantized_modules.conv2d": "chop.nn.quantized.modules.conv2d",
    f"{_QUANTIZE}.quantized_modules.linear": "chop.nn.quantized.modules.linear",
    f"{_QUANTIZE}.quantized_modules.relu": "chop.nn.quantized.modules.relu",
    f"{_QUANTIZE}.quantized_funcs": _FUNCTIONAL,
    "chop.passes.graph.analysis.add_metadata": "chop.passes.graph.analysis",
    "chop.passes.graph.analysis.add_metadata.add_common_metadata": (
        "chop.passes.graph.analysis.add_common_metadata"
    ),
    "chop.passes.graph.analysis.add_metadata.add_software_metadata": (
        "chop.passes.graph.analysis.add_software_metadata"
    ),
    "chop.passes.graph.analysis.verify": "chop.passes.graph.analysis.verify_common_metadata",
    "chop.passes.graph.interface.save_and_load": "chop.passes.graph.interface",
    "chop.models.toys.toy": "chop.models.toys.mlp",
    "chop.models.toys.toy_custom_fn": "chop.models.toys.custom_fn",
    **{
        f"{_QUANTIZE}.quantized_funcs.{name}": f"{_FUNCTIONAL}.{name}"
        for name in ("add", "bmm", "matmul", "mult", "relu", "sub")
    },
    "chop.tools.plt_wrapper": "chop.plt_wrapper",
    # The hand-outs of labs 3 and 4 name the passes as they lay before graph and module were told apart.
    "chop.passes.analysis": "chop.passes.graph.analysis",
    "chop.passes.transforms": "chop.passes.graph.transforms",
    "chop.passes.transforms.interface": "chop.passes.graph.interface",
    "chop.passes.utils": "chop.passes.graph.utils",
    "chop.passes.graph.mase_graph": "chop.ir.graph.mase_graph",
}


class _AliasLoader(importlib.abc.Loader):
    def __init__(self, real_name: str) -> None:
        self.real_name = real_name
        self.real_spec: importlib.machinery.ModuleSpec | None = None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        module = importlib.import_module(self.real_name)
        self.real_spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has just overwritten __spec__ with the alias's; with that one reload() would
        # break.
        module.__spec__ = self.real_spec


class _AliasFinder(importlib.abc.MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        real_name = ALIASES.get(fullname)
        if real_name is None:
            return None
        return importlib.util.spec_from_loader(fullname, _AliasLoader(real_name))


def install() -> None:
    """Put the alias finder before the path finder; a second call does nothing."""
    # Before it, because folders of type stubs lie at the old paths and would be found as namespace packages.
    if not any(type(finder).__name__ == _AliasFinder.__name__ for finder in sys.meta_path):
        sys.meta_path.insert(0, _AliasFinder())
