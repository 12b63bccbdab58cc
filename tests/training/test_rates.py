"""A learning rate for each update of one call: the weights of one call for each rate."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from chop.plt_wrapper.schedules import Schedule
from chop.training import NativeTrainer, fit


def trainer() -> NativeTrainer:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    return NativeTrainer(model, torch.randn(50, 6), torch.randint(0, 3, (50,)))


@pytest.mark.parametrize("accumulate", [1, 2, 3])
@pytest.mark.parametrize("first_row, most", [(0, None), (16, None), (8, 4), (0, 6)])
def test_rates_in_one_call_are_calls_of_one_rate_each(
    accumulate: int, first_row: int, most: int | None
) -> None:
    batches = min(7 - first_row // 8, most or 7)
    first, rates, updates = first_row // 8, [], 0
    for batch in range(first, first + batches):
        updates += (batch + 1) % accumulate == 0 or batch == 6
        rates.append(0.01 * (1 + updates))
    one, each = trainer(), trainer()
    of_updates = [
        rate for batch, rate in enumerate(rates, first) if (batch + 1) % accumulate == 0 or batch == 6
    ]
    for start in range(batches):
        step = each.epoch(8, rates[start], None, accumulate, (first + start) * 8, 1)
        assert step.steps == 1
    if not of_updates:
        return
    one.epoch(8, of_updates, None, accumulate, first_row, most)
    for name, value in one.state_dict().items():
        assert torch.equal(value, each.state_dict()[name]), name


@pytest.mark.parametrize("rates, words", [
    ([0.1] * 6, "makes 7 updates, and there are 6"), ([0.1] * 8, "there are 8"), ([], "holds no rate"),
    ([0.1] * 6 + [float("nan")], "must be at least 0, got nan"), ([0.1] * 6 + [-1.0], "got -1"),
])  # fmt: skip
def test_rates_that_do_not_fit_are_refused(rates: list[float], words: str) -> None:
    made = trainer()
    before = made.state_dict()
    with pytest.raises(ValueError, match=words):
        made.epoch(8, rates)
    assert all(torch.equal(value, before[name]) for name, value in made.state_dict().items())


@pytest.mark.parametrize("accumulate", [1, 3])
def test_a_schedule_by_steps_is_torchs(accumulate: int) -> None:
    """The engine hands rates over in chunks; the weights are those of torch's optimizer and scheduler."""
    from chop.training.order import epoch_order

    torch.manual_seed(1)
    x, y = torch.randn(90, 6), torch.randint(0, 3, (90,))
    ours = nn.Sequential(nn.Linear(6, 3))
    theirs = nn.Sequential(nn.Linear(6, 3))
    theirs.load_state_dict(ours.state_dict())
    args: Any = {"max_epochs": 3, "accelerator": "cpu", "accumulate_grad_batches": accumulate}
    schedule = Schedule("cosine", "step")
    fit(ours, {"train": (x, y), "val": (x, y)}, classes=3, trainer_args=args, batch_size=8, optimizer="sgd",
        momentum=0.0, learning_rate=0.5, lr_scheduler=schedule, engine="native", bar=False)  # fmt: skip
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.5, weight_decay=5e-4)  # MASE has this decay
    scheduler = schedule.make(optimizer, 3 * -(-12 // accumulate))
    for epoch in range(3):
        order = epoch_order(0, epoch, 90)
        for batch in range(12):
            part = order[8 * batch : 8 * batch + 8]
            (nn.functional.cross_entropy(theirs(x[part]), y[part]) / accumulate).backward()
            if (batch + 1) % accumulate == 0 or batch == 11:
                optimizer.step()
                optimizer.zero_grad()
                scheduler.step()
    assert torch.allclose(ours[0].weight, theirs[0].weight, atol=1e-5)
