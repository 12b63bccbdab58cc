"""Widths that are trained in the core against the same step written out in torch, in double."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chop.nn.quantized.modules import LinearInteger
from chop.training import LayerWidths, NativeTrainer

WIDE = {
    "name": "integer",
    "data_in_width": 16,
    "data_in_frac_width": 8,
    "weight_width": 16,
    "weight_frac_width": 8,
    "bias_width": 12,
    "bias_frac_width": 7,
}
SHARING = list(itertools.product(["tensor", "channel", "element"], ["tensor", "element"]))


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.BatchNorm1d(6),
        LinearInteger(6, 19, config=WIDE),
        nn.ReLU(),
        LinearInteger(
            19, 7, bias=False, config=WIDE
        ),  # before a norm its gradient would be nothing but noise
        nn.BatchNorm1d(7),
        nn.Tanh(),
        LinearInteger(7, 4, config=WIDE),
    ).double()


def data(rows: int) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(rows)
    x, y = 2 * torch.randn(rows, 6, dtype=torch.float64), torch.randint(0, 4, (rows,))
    return x, y, torch.randn(rows, 4, dtype=torch.float64).softmax(1)


def random_widths(trainer: NativeTrainer) -> dict[str, LayerWidths]:
    """Few bits, so that some numbers saturate, some weights are pruned and some features have no bits."""
    torch.manual_seed(1)
    found = {}
    for name, of in trainer.widths.read().items():
        least = (
            -1.4 if of.input_fractions.numel() > 1 else 0.6
        )  # a layer without any bits trains nothing before it
        found[name] = LayerWidths(
            torch.empty_like(of.input_fractions).uniform_(least, 3.4),
            torch.empty_like(of.input_integers).uniform_(least, 1.4),
            torch.empty_like(of.weight_fractions).uniform_(0.6, 4.4),
        )
    return found


class Values(torch.autograd.Function):
    """Saturating codes of real fractions and integer bits, with the gradients of both."""

    @staticmethod
    def forward(ctx, x: Tensor, f: Tensor, i: Tensor) -> Tensor:
        whole, bits = f.round(), (f.round() + i.round()).clamp_min(0)
        low, high = torch.where(bits > 0, -(2.0**bits), 0.0), 2.0**bits - 1
        q = (x * 2.0**whole).round().clamp(low, high) * 2.0**-whole
        ctx.save_for_backward(x, q, whole, i.round(), bits, low, high)
        return q

    @staticmethod
    def backward(ctx, g: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, q, f, i, bits, low, high = ctx.saved_tensors
        over, under = x * 2.0**f > high + 0.5, x * 2.0**f < low - 0.5
        alive = bits > 0
        inside = alive & ~over & ~under
        to_f = torch.where(alive, torch.where(over, 2.0**-f, torch.where(under, 0.0, x - q)), x)
        to_i = torch.where(alive, torch.where(over, 2.0**i, torch.where(under, -(2.0**i), 0.0)), 0.0)

        def shared(each: Tensor) -> Tensor:
            return math.log(2) * (each * g).sum(0 if f.numel() > 1 else (0, 1)).reshape(f.shape)

        return g * inside, shared(to_f), shared(to_i)


class Weights(torch.autograd.Function):
    @staticmethod
    def forward(ctx, w: Tensor, f: Tensor) -> Tensor:
        q = (w * 2.0 ** f.round()).round() * 2.0 ** -f.round()
        ctx.save_for_backward(w, q, f)
        return q

    @staticmethod
    def backward(ctx, g: Tensor) -> tuple[Tensor, Tensor]:
        w, q, f = ctx.saved_tensors
        return g, math.log(2) * ((w - q) * g).sum_to_size(f.shape)


class Rounded(torch.autograd.Function):
    @staticmethod
    def forward(ctx, b: Tensor) -> Tensor:
        return (b * 2.0**7).round() * 2.0**-7

    @staticmethod
    def backward(ctx, g: Tensor) -> Tensor:
        return g


class Reference:
    """The network with its widths as parameters; the price of the bits has straight-through gradients."""

    def __init__(
        self, model: nn.Sequential, widths: dict[str, LayerWidths], price: float, rates: tuple[float, float]
    ):
        self.layers, self.price = model, price
        self.widths = [
            [p.clone().requires_grad_() for p in (of.input_fractions, of.input_integers, of.weight_fractions)]
            for of in widths.values()
        ]
        self.weights_adam = torch.optim.Adam(model.parameters(), lr=rates[0])
        self.widths_adam = torch.optim.Adam([p for of in self.widths for p in of], lr=rates[1])

    def logits(self, x: Tensor) -> tuple[Tensor, Tensor]:
        bits, k = torch.zeros((), dtype=torch.float64), 0
        for layer in self.layers:
            if not isinstance(layer, LinearInteger):
                x = layer(x)
                continue
            f, i, weight_f = self.widths[k]
            q = Weights.apply(layer.weight, weight_f)
            bias = None if layer.bias is None else Rounded.apply(layer.bias)
            x, k = F.linear(Values.apply(x, f, i), q, bias), k + 1
            bits = bits + self.bits(q.detach(), weight_f, f, i)
        return x, bits

    @staticmethod
    def bits(q: Tensor, weight_f: Tensor, f: Tensor, i: Tensor) -> Tensor:
        codes = (q * 2.0 ** weight_f.detach().round()).abs()
        held = torch.where(codes > 0, torch.floor(torch.log2(codes.clamp_min(1))) + 1, 0.0)
        of_weight = torch.where(held > 0, held + weight_f - weight_f.detach(), 0.0)
        of_input = (f.round() + i.round()).detach()
        of_input = torch.where(of_input > 0, of_input + f - f.detach() + i - i.detach(), 0.0)
        return (of_weight * of_input).sum()

    def step(self, x: Tensor, target: Tensor) -> tuple[float, float]:
        self.weights_adam.zero_grad()
        self.widths_adam.zero_grad()
        logits, bits = self.logits(x)
        loss = F.cross_entropy(logits, target)
        loss.backward(retain_graph=True)
        self.of_loss = [[p.grad.clone() for p in of] for of in self.widths]
        (self.price * bits).backward()
        self.weights_adam.step()
        self.widths_adam.step()
        return loss.item(), bits.item()


def assert_near(found: Tensor, wanted: Tensor, what: str) -> None:
    assert found.shape == wanted.shape
    # Sums over the rows cancel, so that their last digits are those of their parts.
    assert (found - wanted).norm() <= 1e-9 * (wanted.norm() + 1e-4), what


@pytest.mark.parametrize(("weight", "data_in"), SHARING)
@pytest.mark.parametrize("soft", [False, True])
def test_steps_equal_torch(weight: str, data_in: str, soft: bool) -> None:
    rows, model = 300, network()
    x, y, p = data(rows)
    trainer = NativeTrainer(
        model,
        x,
        y,
        learned_widths={"weight": weight, "data_in": data_in},
        targets=p if soft else None,
        dtype="float64",
    )
    trainer.widths.write(random_widths(trainer))
    trainer.widths.learn(0.02, 1e-4)
    reference = Reference(model.train(), trainer.widths.read(), 1e-4, (0.01, 0.02))
    bits = set[float]()
    for step in range(6):
        before = trainer.widths.bits()
        epoch = trainer.epoch(rows, 0.01)
        loss, wanted = reference.step(x, p if soft else y)
        assert epoch.loss == pytest.approx(loss, rel=1e-9), step
        assert before == pytest.approx(wanted, abs=1e-6), step
        bits.add(wanted)
        for name, parameter in model.named_parameters():
            assert_near(trainer.gradients()[name], parameter.grad, f"{step} {name}")
        for of, gradients, mine, own in zip(
            trainer.widths.read().values(),
            trainer.widths.gradients().values(),
            reference.of_loss,
            reference.widths,
            strict=True,
        ):
            for k, field in enumerate(("input_fractions", "input_integers", "weight_fractions")):
                assert_near(getattr(gradients, field), mine[k], f"{step} gradient {field}")
                assert_near(getattr(of, field), own[k].detach(), f"{step} {field}")
    assert len(bits) > 1 and trainer.evaluate(x, y).loss == pytest.approx(
        F.cross_entropy(reference_eval(reference, x), y).item(), rel=1e-9
    )


def reference_eval(reference: Reference, x: Tensor) -> Tensor:
    reference.layers.eval()
    with torch.no_grad():
        return reference.logits(x)[0]


@pytest.mark.parametrize("accumulate", [2, 3])
def test_accumulated_gradients_are_those_of_all_batches(accumulate: int) -> None:
    x, y, _ = data(12 * 7)
    sharing = {"weight": "element", "data_in": "element"}
    kept = [m for m in network() if not isinstance(m, nn.BatchNorm1d)]  # its statistics are a batch's
    whole, parts = (
        NativeTrainer(nn.Sequential(*kept), x, y, learned_widths=sharing, dtype="float64") for _ in range(2)
    )
    for trainer, rows, batches in ((whole, 12 * 7, 1), (parts, 12 * 7 // accumulate, accumulate)):
        trainer.widths.write(random_widths(trainer))
        trainer.epoch(rows, 0.0, accumulate=batches)
    for a, b in zip(whole.widths.gradients().values(), parts.widths.gradients().values(), strict=True):
        for field in ("input_fractions", "input_integers", "weight_fractions"):
            assert_near(getattr(b, field), getattr(a, field), field)


def test_threads_change_nothing() -> None:
    torch.manual_seed(0)
    x, y = torch.randn(6000, 16), torch.randint(0, 5, (6000,))
    found = []
    for threads in (1, 3):
        torch.manual_seed(0)
        layers = LinearInteger(16, 64, config=WIDE), nn.ReLU(), LinearInteger(64, 32, config=WIDE)
        model = nn.Sequential(*layers, nn.ReLU(), LinearInteger(32, 5, config=WIDE))
        trainer = NativeTrainer(
            model, x, y, learned_widths={"weight": "element", "data_in": "element"}, threads=threads
        )
        trainer.widths.write(random_widths(trainer))
        trainer.widths.learn(0.01, 1e-5)
        trainer.epoch(2000, 0.01)
        found.append((trainer.state_dict(), trainer.widths.read()))
    (weights, widths), (other_weights, other_widths) = found
    assert all(torch.equal(value, other_weights[name]) for name, value in weights.items())
    for name, of in widths.items():
        for field in ("input_fractions", "input_integers", "weight_fractions"):
            assert torch.equal(getattr(of, field), getattr(other_widths[name], field)), name


def test_widths_at_rate_zero_stay() -> None:
    x, y, _ = data(64)
    trainer = NativeTrainer(
        network(), x, y, learned_widths={"weight": "element", "data_in": "tensor"}, dtype="float64"
    )
    trainer.widths.write(random_widths(trainer))
    before = trainer.widths.read()
    trainer.widths.learn(0.0, 1.0)
    trainer.epoch(32, 0.01)
    assert all(
        torch.equal(of.weight_fractions, before[name].weight_fractions)
        for name, of in trainer.widths.read().items()
    )


def test_what_cannot_be_trained_is_refused() -> None:
    x, y, p = data(64)
    with pytest.raises(ValueError, match="must name weight and data_in"):
        NativeTrainer(network().float(), x, y, learned_widths={"weight": "element"})
    with pytest.raises(ValueError, match="tensor or channel or element, got 'row'"):
        NativeTrainer(network().float(), x, y, learned_widths={"weight": "row", "data_in": "tensor"})
    with pytest.raises(ValueError, match="which must round half_even and saturate"):
        layer = LinearInteger(6, 4, config=WIDE | {"weight_rounding": "floor"})
        NativeTrainer(layer, x, y, learned_widths={"weight": "element", "data_in": "tensor"})
    with pytest.raises(ValueError, match=r"targets must have the shape \[64, 4\]"):
        NativeTrainer(network().float(), x, y, targets=p[:, :3])
    shared = LinearInteger(6, 6, config=WIDE)
    with pytest.raises(ValueError, match="shares a parameter"):
        NativeTrainer(
            nn.Sequential(shared, shared), x, y, learned_widths={"weight": "element", "data_in": "tensor"}
        )
