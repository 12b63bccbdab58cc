"""Adding a number format touches its own two files, a line of CMake and its import: nothing else knows a format."""

from __future__ import annotations

import re

import pytest
import torch
from torch import nn

from chop import Evaluator, _core
from chop.nn.quantizers import QUANTIZERS
from chop.nn.quantizers.fields import Whole
from chop.nn.quantizers.number_format import NumberFormat
from chop.nn.quantizers.value_spec import ValueSpec, quantize_by
from tests.architecture.source_tree import CPP, REPO

NAMES = sorted(
    set(_core.value_formats()) - {"log", "binary", "ternary"}
)  # those are words of other things, too
PYTHON = REPO / "python" / "chop"
# Exceptions that MASE makes for single formats, and what is built on another format.
OWN = ("nn/quantizers/", "nn/quantized/modules/", "_aliases.py")


@pytest.mark.parametrize("name", NAMES)
def test_a_format_is_named_in_its_own_files(name: str) -> None:
    word = re.compile(rf"\b{name}\b")
    for path in CPP.rglob("*"):
        if path.suffix in (".cpp", ".h", ".inl") and path != CPP / "quantizers" / f"{name}.cpp":
            assert not word.search(path.read_text()), path
    for path in PYTHON.rglob("*.py"):
        inside = path.relative_to(PYTHON).as_posix()
        if not inside.startswith(OWN):
            assert not word.search(path.read_text()), path
    assert (REPO / "CMakeLists.txt").read_text().count(f"/quantizers/{name}.cpp") == 1
    assert (PYTHON / "nn" / "quantizers" / f"{name}.py").is_file()


def nearest_quantizer(x, width):
    """Bring ``x`` to floats with two bits of exponent."""
    return quantize_by(SPEC, nearest_quantizer, x, width=width)


class NearestSpec(ValueSpec):
    name = "nearest_of_the_test"
    class_suffix = "NearestOfTheTest"
    fields = ("width",)
    kinds = {"width": Whole(4, 8)}  # noqa: RUF012
    function = staticmethod(nearest_quantizer)

    def make_format(self, where, width):
        return NumberFormat("minifloat_ieee", (("width", width),), (float(width), 2.0, 1.0), width)


SPEC = NearestSpec()


def test_a_declaration_is_all_that_layers_functions_and_evaluator_need(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from chop.ir.graph.core_formats import native_quantizers
    from chop.nn.quantized.functional import quantized_func_map
    from chop.nn.quantized.modules import quantized_module_map

    QUANTIZERS[SPEC.name] = SPEC
    monkeypatch.setattr(
        "chop.ir.graph.core_formats.native_quantizers", lambda: {*native_quantizers(), SPEC.name}
    )
    try:
        config = {"name": SPEC.name, "data_in_width": 6, "weight_width": 5}
        layer = quantized_module_map[f"linear_{SPEC.name}"](4, 3, config=config)
        assert type(layer).__name__ == "LinearNearestOfTheTest"
        x = torch.randn(70, 4)
        assert quantized_func_map[f"add_{SPEC.name}"](x, x, config).shape == x.shape
        model = nn.Sequential(layer.to_float()).eval()
        whole = {"by": "type", "default": {"config": {"name": None}}, "linear": {"config": config}}
        ev = Evaluator(model, x)
        with torch.no_grad():
            assert all(road.exact for road in ev.roads(whole)) and torch.equal(ev.forward(whole), layer(x))
        assert not ev.torch_nodes
    finally:
        QUANTIZERS.pop(SPEC.name)


def test_a_format_that_the_core_lacks_goes_through_torch() -> None:
    assert set(_core.value_formats()) <= {spec.name for spec in QUANTIZERS.values()}
