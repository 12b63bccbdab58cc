"""Both ONNX dialects: equal to the evaluator in every executor, refused where they cannot be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import chop
from chop.export import TARGETS, Proof, export
from chop.export.torch_program import PlainModule
from chop.integers import quantized_view
from chop.tools.errors import ConfigError
from tests.export.models import Convolutions, Sequences, config, rows, trained

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
BOTH = ("onnx", "onnx-arithmetic")


@pytest.fixture(scope="module")
def convolutions() -> chop.Evaluator:
    torch.manual_seed(0)
    x = rows(60, 2, 8, 8)
    return chop.Evaluator(trained(Convolutions(), x), x)


@pytest.fixture(scope="module")
def sequences() -> chop.Evaluator:
    torch.manual_seed(0)
    x = rows(100, 16)
    return chop.Evaluator(trained(Sequences(), x), x)


def written(made: chop.Evaluator, settings: dict, target: str, folder: Path) -> None:
    done = export(made, settings, target, folder)
    assert done.equal, str(done)
    assert len(done.proofs) == 5
    assert all(proof.rows == made.rows for proof in done.proofs)


@pytest.mark.parametrize("target", BOTH)
@pytest.mark.parametrize("width", [4, 6, 8, 12])
def test_layers_and_all_between(
    convolutions: chop.Evaluator, sequences: chop.Evaluator, target: str, width: int, tmp_path: Path
) -> None:
    settings = config((width, width // 2), (min(width, 6), 4), ("linear", "conv1d", "conv2d", "add", "relu"))
    if not convolutions.certificate(settings).quantized_part_is_exact and target == "onnx":
        with pytest.raises(ConfigError, match="order"):
            export(convolutions, settings, target, tmp_path)
    else:
        written(convolutions, settings, target, tmp_path)
    written(sequences, settings, target, tmp_path)


@pytest.mark.parametrize("rounding", ["half_even", "floor", "half_up"])
@pytest.mark.parametrize("overflow", ["saturate", "wrap"])
def test_every_mode_as_arithmetic(
    sequences: chop.Evaluator, rounding: str, overflow: str, tmp_path: Path
) -> None:
    modes = {
        f"{operand}_{key}": value
        for operand in ("data_in", "weight", "bias")
        for key, value in (("rounding", rounding), ("overflow", overflow))
    }
    settings = config((5, 2), (5, 3), ("linear", "conv1d", "relu"), **modes)
    written(sequences, settings, "onnx-arithmetic", tmp_path)
    if (rounding, overflow) != ("half_even", "saturate"):
        with pytest.raises(ConfigError, match=r"data_in: (rounds|saturates).*onnx-arithmetic can"):
            export(sequences, settings, "onnx", tmp_path)


@pytest.mark.parametrize("rounding", ["half_even", "floor", "half_up"])
@pytest.mark.parametrize("overflow", ["saturate", "wrap"])
def test_any_number_gets_its_code(rounding: str, overflow: str, tmp_path: Path) -> None:
    """Numbers too small or too large to be scaled, infinities and both zeros, with sign (a layer) and without."""
    torch.manual_seed(0)
    x = torch.randn(64, 3) * 2.0 ** torch.randint(-40, 40, (64, 1))
    odd = torch.tensor(
        [0.0, -0.0, 1e-45, -1e-45, -1e-38, 3e38, -3e38, -0.2, -0.5, -1.5, 2.0**100, -(2.0**90)]
    )
    x[: len(odd)] = odd[:, None]
    x[20], x[21] = float("inf"), -float("inf")
    modes = {"data_in_rounding": rounding, "data_in_overflow": overflow}
    layer = nn.Linear(3, 3, bias=False)
    nn.init.eye_(layer.weight)
    for width, frac in ((6, 3), (6, -4), (9, 40)):
        for model in (nn.Sequential(nn.ReLU()), nn.Sequential(layer, nn.ReLU())):
            ev = chop.Evaluator(model.eval(), x)
            settings = config((width, frac), (2, 0), ("relu", "linear"), **modes)
            written(ev, settings, "onnx-arithmetic", tmp_path)
            plain = PlainModule(quantized_view(ev, settings))(x)
            assert Proof.of("torch", ev.forward(settings).numpy(), plain.numpy()).equal == len(x)


def test_sums_beyond_float32_are_made_in_double(sequences: chop.Evaluator, tmp_path: Path) -> None:
    settings = config((16, 10), (16, 12), ("linear",)) | {"conv1d": config()["conv1d"]}
    written(sequences, settings, "onnx-arithmetic", tmp_path)
    order = r"mix: float32 sums would depend on their order; bound [\d,]+; --to onnx-arithmetic"
    with pytest.raises(ConfigError, match=order):
        export(sequences, settings, "onnx", tmp_path)


@pytest.mark.parametrize("formats", [((16, 10), (16, 12)), ((24, 16), (16, 13)), ((28, 20), (6, 4))])
def test_convolutions_beyond_float32_are_windows_and_a_product_in_double(
    convolutions: chop.Evaluator, sequences: chop.Evaluator, formats: tuple, tmp_path: Path
) -> None:
    for made in (convolutions, sequences):
        settings = config(*formats, ("conv1d", "conv2d", "linear", "relu"))
        assert not made.certificate(settings).quantized_part_is_exact
        written(made, settings, "onnx-arithmetic", tmp_path)
        kinds = [node.op_type for node in onnx.load(tmp_path / "model.onnx").graph.node]
        assert "Conv" not in kinds and kinds.count("MatMul") >= 2


def test_a_bias_on_a_finer_grid_than_the_products(sequences: chop.Evaluator, tmp_path: Path) -> None:
    settings = config((4, 1), (4, 1), bias_width=8, bias_frac_width=6)
    written(sequences, settings, "onnx-arithmetic", tmp_path)
    with pytest.raises(ConfigError, match=r"c1.bias: runtimes round a bias to .*products, 2 fraction bits"):
        export(sequences, settings, "onnx", tmp_path)


def test_one_bit(sequences: chop.Evaluator, tmp_path: Path) -> None:
    for target in BOTH:
        written(sequences, config((4, 2), (1, 0), bias_width=4, bias_frac_width=2), target, tmp_path)


def test_float_layers_and_layers_of_torch_are_refused(tmp_path: Path) -> None:
    model = chop.Evaluator(nn.Sequential(nn.Linear(4, 3)), torch.zeros(2, 4))
    with pytest.raises(ConfigError, match="_0: a float layer's sums depend on the order"):
        export(model, None, "onnx", tmp_path)
    grown = nn.Sequential(nn.Linear(4, 4), nn.Softshrink(), nn.Linear(4, 3))
    with pytest.raises(ConfigError, match="_1: torch computes it"):
        export(grown, config(), "onnx", tmp_path, x=torch.zeros(2, 4))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("kind", ["linear", "conv1d", "conv2d"])
def test_codes_at_the_ends_of_eight_bits(kind: str, relu: bool, tmp_path: Path) -> None:
    """Runtimes add two 8-bit products in 16 bits where the processor has no better, if weights are signed."""
    torch.manual_seed(0)
    layer = {
        "linear": nn.Linear(16, 7),
        "conv1d": nn.Conv1d(16, 4, 3),
        "conv2d": nn.Conv2d(16, 4, 3, padding=1),
    }
    shape, outs = {"linear": ((16,), 7), "conv1d": ((16, 8), 24), "conv2d": ((16, 8, 8), 256)}[kind]
    first = [nn.ReLU()] if relu else []
    model = nn.Sequential(*first, layer[kind], nn.ReLU(), nn.Flatten(), nn.Linear(outs, 5)).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=3)
    ev = chop.Evaluator(model, torch.randn(200, *shape) * 8)
    for width in (7, 8):
        settings = config((8, 3), (width, width - 2), ("linear", "conv1d", "conv2d", "relu"))
        written(ev, settings, "onnx", tmp_path)
        weights = {n.name: n.data_type for n in onnx.load(tmp_path / "model.onnx").graph.initializer}
        assert (onnx.TensorProto.UINT8 in weights.values()) >= (width == 8)


def test_the_same_bytes_twice_and_a_stated_format(sequences: chop.Evaluator, tmp_path: Path) -> None:
    for target in BOTH:
        first = export(sequences, config(), target, tmp_path / "a").path.read_bytes()
        assert export(sequences, config(), target, tmp_path / "b").path.read_bytes() == first
        model = onnx.load_from_string(first)
        assert model.ir_version == 10
        assert [(o.domain, o.version) for o in model.opset_import] == [("", 21)]


def test_activations_are_never_stored_in_four_bits(sequences: chop.Evaluator, tmp_path: Path) -> None:
    path = export(sequences, config((4, 2), (4, 3), ("linear", "conv1d", "relu")), "onnx", tmp_path).path
    kinds = {onnx.numpy_helper.to_array(i).dtype.name for i in onnx.load(path).graph.initializer}
    assert kinds <= {"int8", "uint8", "int32", "int64", "float32", "float64"}


def test_what_is_not_equal_does_not_get_the_name(
    sequences: chop.Evaluator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = type(TARGETS["onnx"])
    honest = target.execute

    def broken(self: object, path: Path, x: np.ndarray) -> dict[str, np.ndarray]:
        return {name: y + (np.arange(len(y)) == 7)[:, None] for name, y in honest(self, path, x).items()}

    good = export(sequences, config(), "onnx", tmp_path)
    monkeypatch.setattr(target, "execute", broken)
    bad = export(sequences, config(), "onnx", tmp_path)
    assert not bad.equal
    assert bad.path.name == "model.onnx.unequal"
    assert not good.path.exists()
    assert bad.proofs[0].equal == sequences.rows - 1
    assert bad.proofs[0].largest_difference == 1


def test_the_package_is_the_function(sequences: chop.Evaluator, tmp_path: Path) -> None:
    assert chop.export(sequences, config(), "onnx", tmp_path).equal
    with pytest.raises(KeyError, match="did you mean 'onnx'"):
        chop.export(sequences, config(), "onxn", tmp_path)


class Numbers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.o = nn.Linear(8, 8), nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.o(torch.relu((self.a(x) * 0.3 + 1.53 - 0.7) * 3))


@pytest.mark.usefixtures("quick_torch")
def test_numbers_of_the_source_are_on_the_grid(tmp_path: Path) -> None:
    torch.manual_seed(0)
    made = chop.Evaluator(Numbers(), rows(64, 8))
    settings = config((8, 4), (8, 4), ("linear", "add", "sub", "mul", "relu"))
    written(made, settings, "onnx", tmp_path)
    assert export(made, settings, "torch", tmp_path).equal


@pytest.mark.parametrize("target", ["onnx", "onnx-arithmetic"])
@pytest.mark.parametrize("width", [4, 8, 12])
def test_a_quantizer_alone_before_what_only_moves_numbers(target: str, width: int, tmp_path: Path) -> None:
    """onnxruntime loads no int8 there; a reference that fails is told and left out."""

    class Moves(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(48, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            h = x * 1
            pooled = nn.functional.max_pool2d(h, 3, 1, padding=1)
            return self.head(
                torch.cat([pooled.transpose(2, 3).flatten(1), h[:, :, 1:].flatten(1)], 1)[:, :48]
            )

    ev = chop.Evaluator(Moves(), rows(40, 2, 4, 4))
    made = export(ev, config((width, width // 2), (6, 4), ("linear", "mul")), target, tmp_path)
    assert made.equal, str(made)
    assert len(made.proofs) >= 4
    assert quantized_view(ev, config(ops=("linear", "mul")))["mul"].is_quantized


def test_what_does_not_run_is_told_in_one_line(
    sequences: chop.Evaluator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        type(TARGETS["onnx"]), "write", lambda self, view, path, sample: path.write_bytes(b"?")
    )
    with pytest.raises(RuntimeError, match=r"^export to onnx: what was written does not run: [^\n]*$"):
        export(sequences, config(), "onnx", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_other_target_can_hold_the_whole_model(tmp_path: Path) -> None:
    """A target that could hold the node is not named where it refuses another one."""
    wraps = config(data_in_overflow="wrap")
    model = nn.Sequential(nn.Linear(6, 4), nn.Sigmoid(), nn.Linear(4, 3))
    found = {}
    for target in ("onnx", "cpp", "torch"):
        with pytest.raises(ConfigError) as error:
            export(model, wraps, target, tmp_path, x=rows(9, 6))
        found[target] = str(error.value)
    assert not any(" can" in text for text in found.values()), found
    assert found["cpp"] == "export to cpp: _1: sigmoid has no form in whole numbers"
    with pytest.raises(ConfigError, match=r"saturates only; --to onnx-arithmetic can"):
        export(nn.Sequential(nn.Linear(6, 4)), wraps, "onnx", tmp_path, x=rows(9, 6))


def test_pads_that_are_not_zero_are_refused_by_name(tmp_path: Path) -> None:
    class Pads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(6, 4), nn.Linear(5, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(nn.functional.pad(self.first(x), (1, 0), value=0.5))

    x = rows(9, 6)
    with pytest.raises(
        ConfigError,
        match=r"^export to integers: pad: pads with 0.5, which is not zero; --to onnx-arithmetic can",
    ):
        export(Pads(), config(), "integers", tmp_path, x=x)
    assert export(Pads(), config(), "onnx-arithmetic", tmp_path, x=x).equal
