"""The native trainer as an object: threads, states, interruptions, refusals."""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor, nn

from chop import MaseGraph
from chop.models.physical.jet_substructure import JSC_Toy
from chop.training import NativeTrainer, NonFiniteLossError
from tests import programs
from tests.training.random_models import RandomNetwork


def data(rows: int, features: int = 16) -> tuple[Tensor, Tensor]:
    torch.manual_seed(rows)
    return torch.randn(rows, features), torch.randint(0, 5, (rows,))


def equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("batch", [16, 1000, 60000])
def test_threads_do_not_change_a_bit(batch: int) -> None:
    x, y = data(60000)
    model = nn.Sequential(JSC_Toy(None), nn.Linear(5, 64), nn.GELU(), nn.Linear(64, 5))
    trained = []
    for threads in (1, 2, 4):
        trainer = NativeTrainer(model, x, y, threads=threads)
        epoch = trainer.epoch(batch, 1e-2, max_steps=50)
        trained.append((trainer.state_dict(), epoch.losses, trainer.evaluate(x, y)))
    for state, losses, scores in trained[1:]:
        assert equal(state, trained[0][0]) and torch.equal(losses, trained[0][1])
        assert scores.loss == trained[0][2].loss and torch.equal(scores.confusion, trained[0][2].confusion)


def test_trainers_side_by_side_do_not_meet() -> None:
    x, y = data(3000, 7)

    def run(seed: int) -> dict[str, Tensor]:
        trainer = NativeTrainer(RandomNetwork(seed), x, y)
        trainer.epoch(30, 1e-3)
        return trainer.state_dict()

    alone = [run(seed) for seed in range(6)]
    with ThreadPoolExecutor(6) as pool:
        states = pool.map(_trained, [NativeTrainer(RandomNetwork(seed), x, y) for seed in range(6)])
        assert all(equal(a, b) for a, b in zip(alone, states, strict=True))


def _trained(trainer: NativeTrainer) -> dict[str, Tensor]:
    trainer.epoch(30, 1e-3)
    return trainer.state_dict()


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_saved_state_continues_bit_for_bit(optimizer: str) -> None:
    x, y = data(1000)
    model, order = JSC_Toy(None), torch.randperm(1000)
    options = {"momentum": 0.9} if optimizer == "sgd" else {}
    whole, part, rest = (NativeTrainer(model, x, y, optimizer=optimizer, **options) for _ in range(3))
    losses = torch.cat([whole.epoch(64, 1e-2, order).losses for _ in range(2)])
    part.epoch(64, 1e-2, order)
    begun = part.epoch(64, 1e-2, order, max_steps=5)
    assert begun.steps == 5 and begun.next_row == 320
    rest.epoch(10, 1e-2)  # what it did before is forgotten
    fresh = {**rest.optimizer_state_dict(), "state": {}}
    rest.load_optimizer_state_dict(fresh)
    assert rest.optimizer_state_dict()["state"] == {}
    rest.load_state_dict(part.state_dict())
    rest.load_optimizer_state_dict(part.optimizer_state_dict())
    ended = rest.epoch(64, 1e-2, order, first_row=begun.next_row)
    assert ended.next_row == 1000 and torch.equal(torch.cat([begun.losses, ended.losses]), losses[16:])
    assert equal(rest.state_dict(), whole.state_dict())


def test_the_model_stays_until_it_is_written() -> None:
    x, y = data(500)
    model = JSC_Toy(None)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    trainer = NativeTrainer(MaseGraph(model), x, y)
    assert equal(trainer.state_dict(), before)
    trainer.epoch(50, 1e-2)
    assert equal(dict(model.state_dict()), before) and not equal(trainer.state_dict(), before)
    trainer.write_back(model)
    assert equal(dict(model.state_dict()), trainer.state_dict())
    assert model.state_dict()["seq_blocks.0.num_batches_tracked"] == 10


def test_a_loss_that_is_no_number_names_its_step() -> None:
    x, y = data(400)
    x[205, 3] = float("nan")
    trainer, shorter = (NativeTrainer(JSC_Toy(None), x, y) for _ in range(2))
    shorter.load_state_dict(trainer.state_dict())
    with pytest.raises(NonFiniteLossError, match="step 4 is nan") as raised:
        trainer.epoch(50, 1e-3)
    assert raised.value.step == 4
    shorter.epoch(50, 1e-3, max_steps=4)
    assert equal(trainer.state_dict(), shorter.state_dict())


def test_a_nan_in_one_logit_is_seen() -> None:
    x, _ = data(40)
    model = nn.Sequential(nn.Linear(16, 5))
    model[0].bias.data[3] = math.nan
    trainer = NativeTrainer(model, x, torch.zeros(40).long())
    with pytest.raises(NonFiniteLossError, match="step 0 is nan"):
        trainer.epoch(10, 1e-3)
    kept = trainer.state_dict()
    assert torch.equal(kept["0.weight"], model[0].weight)
    assert math.isnan(trainer.evaluate(x, torch.zeros(40).long()).loss)


class Steep(nn.Module):
    """Overflows at zero, where the features never are."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.first, self.last = nn.BatchNorm1d(16), nn.Linear(16, 4), nn.Linear(4, 5)
        nn.init.constant_(self.first.weight, -0.2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.exp(self.first(self.norm(x))))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_places_behind_a_short_batch_change_nothing(dtype: str) -> None:
    x, y = data(20)
    model = Steep().train()
    trainer = NativeTrainer(model, x + 1000, y, dtype=dtype)
    trainer.epoch(20, 0.0)
    nn.functional.cross_entropy(model(x + 1000), y).backward()
    for name, parameter in model.named_parameters():
        found = trainer.gradients()[name].float()
        torch.testing.assert_close(found, parameter.grad, rtol=2e-3, atol=2e-4, msg=name)


MEMORY_PROGRAM = """
import resource, torch
from torch import nn
from chop.training import NativeTrainer
torch.manual_seed(0)
model, x, y = nn.Sequential(nn.Linear(16, 5)), torch.randn(300, 16), torch.randint(0, 5, (300,))
trainer, fresh = NativeTrainer(model, x, y), NativeTrainer(model, x, y)
order = torch.arange(300).repeat(40_000)
pages = int(open("/proc/self/statm").read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 600_000_000,) * 2)
try:
    trainer.epoch(len(order), 1e-2, order)
except MemoryError:
    print("no memory")
for one in (trainer, fresh):
    one.epoch(128, 1e-2)
print(all(torch.equal(a, b) for a, b in zip(trainer.state_dict().values(), fresh.state_dict().values())))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory of a process as Linux does")
@pytest.mark.skipif("san.so" in os.environ.get("LD_PRELOAD", ""), reason="a sanitizer needs all addresses")
def test_a_batch_that_memory_cannot_hold_leaves_the_trainer_whole() -> None:
    made = programs.run(MEMORY_PROGRAM)
    assert (made.returncode, made.stdout.split("\n")[:2]) == (0, ["no memory", "True"]), made.stderr


def test_a_trainer_at_work_refuses_other_calls() -> None:
    x, y = data(1000)
    trainer = NativeTrainer(JSC_Toy(None), x, y)
    order = torch.arange(1000).repeat(40_000)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(trainer.epoch, 20, 1e-3, order)
        while trainer.progress[0] == 0:
            time.sleep(0.001)
        calls = (trainer.state_dict, trainer.optimizer_state_dict, lambda: trainer.evaluate(x, y),
                 lambda: trainer.load_state_dict(JSC_Toy(None).state_dict()))  # fmt: skip
        for call in calls:
            with pytest.raises(RuntimeError, match="at work in another call"):
                call()
        trainer.stop()
        assert running.result().stopped
    assert trainer.evaluate(x, y).rows == 1000


def test_stop_ends_after_a_batch() -> None:
    x, y = data(100_000)
    trainer = NativeTrainer(JSC_Toy(None), x, y)
    order = torch.arange(100_000).repeat(200)
    timer = threading.Timer(0.2, trainer.stop)
    timer.start()
    epoch = trainer.epoch(16, 1e-3, order)
    assert epoch.stopped and 0 < epoch.next_row == 16 * epoch.steps < len(order)
    assert trainer.progress == (epoch.steps, pytest.approx(epoch.losses.mean().item()))
    assert not trainer.epoch(16, 1e-3).stopped


@pytest.fixture
def sigint() -> Iterator[None]:
    """Ctrl-C as a terminal's programs hear it: a background job begins with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_is_heard(sigint: None) -> None:
    x, y = data(100_000)
    trainer = NativeTrainer(JSC_Toy(None), x, y)
    order = torch.arange(100_000).repeat(400)
    timer = threading.Timer(0.3, signal.raise_signal, (signal.SIGINT,))
    timer.start()
    begin = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        trainer.epoch(16, 1e-3, order)
    assert time.perf_counter() - begin < 5
    assert trainer.epoch(1000, 1e-3).steps == 100  # it can go on


class Detached(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.detach()


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (nn.PReLU(), r"node _1 \(prelu\) has no gradient in the core"),
        (nn.Dropout(0.1), r"node _1 \(dropout\) drops numbers at random"),
        (nn.Softmax(1), r"node _1 \(softmax\) has no gradient"),
        (Detached(), r"node detach \(detach\) stops gradients"),
        (nn.BatchNorm1d(5, track_running_stats=False), "running_mean"),
    ],
)
def test_models_that_the_core_cannot_train(layer: nn.Module, reason: str) -> None:
    model = nn.Sequential(nn.Linear(16, 5), layer)
    found = NativeTrainer.why_not(model)
    assert found is not None
    with pytest.raises(ValueError, match=reason):
        NativeTrainer(model, *data(10))
    assert NativeTrainer.why_not(nn.Sequential(nn.Linear(16, 5), nn.Dropout(0.0))) is None
    assert NativeTrainer.why_not(nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Sigmoid()), (5,)) is not None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimizer": "lion"}, "optimizer must be adam, adamw or sgd, got 'lion'"),
        ({"optimizer": "sgd", "nesterov": True}, "nesterov needs a momentum"),
        ({"betas": (0.9, 1.0)}, "betas"),
        ({"gradient_clip_val": -1.0}, "gradient_clip_val must be at least 0"),
        ({"gradient_clip_algorithm": "all"}, "gradient_clip_algorithm must be norm or value"),
        ({"straight_through": "bent"}, "straight_through must be plain or clipped"),
        ({"dtype": "float16"}, "dtype must be float32 or float64"),
        ({"threads": 0}, "threads must be 1"),
    ],
)
def test_bad_options_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NativeTrainer(JSC_Toy(None), *data(10), **options)  # type: ignore[arg-type]


def test_bad_data_and_calls_are_named() -> None:
    x, y = data(33)
    with pytest.raises(ValueError, match=r"y\[2\] must be a class in 0..4, got 5"):
        NativeTrainer(JSC_Toy(None), x, torch.tensor([0, 1, 5] * 11))
    with pytest.raises(ValueError, match="33 class indices"):
        NativeTrainer(JSC_Toy(None), x, y[:5])
    trainer = NativeTrainer(JSC_Toy(None), x, y)
    with pytest.raises(ValueError, match="the last one has one"):
        trainer.epoch(16, 1e-3)
    with pytest.raises(ValueError, match=r"order\[1\] must be a row in 0..32, got 33"):
        trainer.epoch(2, 1e-3, torch.tensor([0, 33]))
    with pytest.raises(ValueError, match="order names no row"):
        trainer.epoch(2, 1e-3, torch.empty(0, dtype=torch.int64))
    with pytest.raises(ValueError, match="first_row must be a multiple of batch_size"):
        trainer.epoch(11, 1e-3, first_row=5)
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        trainer.epoch(0, 1e-3)
    with pytest.raises(ValueError, match="has no seq_blocks"):
        trainer.load_state_dict({})
    with pytest.raises(ValueError, match="rows of 16 numbers"):
        trainer.evaluate(x[:, :8], y)
