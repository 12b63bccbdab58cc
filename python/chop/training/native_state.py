"""Weights, buffers and the optimizer's state, between the core's rows of numbers and torch's dictionaries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from chop import _core
from chop.tools.tensors import cast
from chop.training.native_targets import TrainingTargets

__all__ = ["OptimizerOptions", "TrainerState"]


@dataclass(frozen=True, slots=True)
class OptimizerOptions:
    """An optimizer by its name and torch's options; see :class:`chop.training.NativeTrainer`."""

    name: str
    betas: tuple[float, float]
    eps: float
    momentum: float
    nesterov: bool
    weight_decay: float

    def core(self, clip: float | None, clip_by: str) -> _core.TrainingOptions:
        """Return the options as the core takes them, with the limit of gradients."""
        return _core.TrainingOptions(
            self.name,
            self.betas,
            self.eps,
            self.momentum,
            self.nesterov,
            self.weight_decay,
            clip,
            clip_by,
        )

    def torch(self, parameters: list[Tensor], learning_rate: float) -> torch.optim.Optimizer:
        """Return torch's optimizer of that name and those options."""
        if self.name == "sgd":
            return torch.optim.SGD(
                parameters,
                lr=learning_rate,
                momentum=self.momentum,
                nesterov=self.nesterov,
                weight_decay=self.weight_decay,
            )
        kind = torch.optim.Adam if self.name == "adam" else torch.optim.AdamW
        return kind(
            parameters, lr=learning_rate, betas=self.betas, eps=self.eps, weight_decay=self.weight_decay
        )


class TrainerState:
    """Reads and writes the state of a core trainer; begins by giving it the model's weights.

    Args:
        core: the trainer.
        targets: the model.
        options: its optimizer.
        dtype: of the trainer's numbers.
    """

    def __init__(
        self, core: _core.Trainer, targets: TrainingTargets, options: OptimizerOptions, dtype: torch.dtype
    ) -> None:
        self.learning_rate = 1e-3  # of the last epoch
        self._core, self._options, self._dtype = core, options, dtype
        entries = targets.model.state_dict(keep_vars=True)
        self._parameters, self._norms = targets.parameters, targets.norms
        self._trained = targets.trained
        self._numbers = {id(tensor): number for number, tensor in enumerate(self._parameters)}
        self._order = [id(tensor) for tensor in targets.model.parameters()]
        # Copies: what the core does not hold stays as it was.
        self._entries = {name: (id(value), value.detach().clone()) for name, value in entries.items()}
        self._counters = {id(norm.num_batches_tracked): i for i, norm in enumerate(self._norms)}
        means = [(id(norm.running_mean), id(norm.running_var)) for norm in self._norms]
        self._running = {key: number for number, key in enumerate(key for pair in means for key in pair)}
        self.load_model({name: value for name, (_, value) in self._entries.items()})

    def gradients(self) -> dict[str, Tensor]:
        """Return gradients of the trained parameters by name."""
        pieces = self._pieces("gradients")
        named = {self._numbers.get(key, -1): name for name, (key, _) in reversed(self._entries.items())}
        return {named[number]: pieces[number] for number in range(self._trained)}

    def model(self, exact: bool = False) -> dict[str, Tensor]:
        """Return copies of all entries of the model's state; exact: what the core holds keeps the core's dtype."""
        pieces, running, batches = self._pieces("parameters"), self._running_pieces(), self._core.batches
        found = {}
        for name, (key, stored) in self._entries.items():
            if key in self._numbers:
                value = pieces[self._numbers[key]]
            elif key in self._running:
                value = running[self._running[key]]
            elif key in self._counters:
                value = torch.tensor(batches[self._counters[key]])
            else:
                value = stored
            held = exact and (key in self._numbers or key in self._running)
            found[name] = value.to(self._dtype if held else stored.dtype, copy=True).reshape(stored.shape)
        return found

    def load_model(self, state: Mapping[str, Tensor]) -> None:
        """Take all entries of a model's state."""
        self._check_names(state)
        pieces, running, batches = self._pieces("parameters"), self._running_pieces(), self._core.batches
        for name, (key, stored) in self._entries.items():
            given = state[name].detach()
            if key in self._numbers or key in self._running:
                given = cast(given.cpu(), self._dtype, f"training: {name}")
            if key in self._numbers:
                pieces[self._numbers[key]].copy_(given)
            elif key in self._running:
                running[self._running[key]].copy_(given)
            elif key in self._counters:
                batches[self._counters[key]] = int(given)
            else:
                stored.copy_(given)
        self._core.write("parameters", _joined(pieces, self._dtype))
        self._core.write("running", _joined(running, self._dtype))
        self._core.batches = batches

    def optimizer(self) -> dict[str, Any]:
        """Return the optimizer's state as torch lays it out."""
        owner = self._options.torch([torch.zeros(1) for _ in self._order], self.learning_rate)
        result = owner.state_dict()
        updates, state = self._core.updates, {}
        if updates:
            first, second = self._pieces("first"), self._pieces("second")
            for place, number in self._trained_places():
                if self._options.name != "sgd":
                    step = torch.tensor(float(updates))
                    state[place] = {"step": step, "exp_avg": first[number], "exp_avg_sq": second[number]}
                elif self._options.momentum:
                    state[place] = {"momentum_buffer": first[number]}
        result["state"] = state
        return result

    def load_optimizer(self, state: Mapping[str, Any]) -> None:
        """Take an optimizer's state as torch lays it out."""
        first, second = ([torch.zeros_like(p) for p in self._pieces(which)] for which in ("first", "second"))
        entries, updates = state["state"], 0
        for place, number in self._trained_places():
            entry = entries.get(place, {})
            if (momentum := entry.get("momentum_buffer")) is not None:
                # SGD's state does not tell how many updates there were; only whether there was one matters.
                first[number].copy_(momentum)
                updates = max(updates, 1)
            elif "exp_avg" in entry:
                first[number].copy_(entry["exp_avg"])
                second[number].copy_(entry["exp_avg_sq"])
                updates = int(entry["step"])
        self._core.write("first", _joined(first, self._dtype))
        self._core.write("second", _joined(second, self._dtype))
        self._core.updates = updates

    def snapshot(self) -> dict[str, Tensor]:
        """Return the core's rows of numbers and its counters, as they are."""
        found = {}
        for name, count in self._row_sizes().items():
            found[name] = torch.empty(count, dtype=self._dtype)
            self._core.read(name, found[name])
        counts = [self._core.updates, self._core.width_updates, *self._core.batches]
        return found | {"counts": torch.tensor(counts, dtype=torch.int64)}

    def restore(self, snapshot: Mapping[str, Tensor]) -> None:
        """Write what :meth:`snapshot` returned."""
        for name, count in self._row_sizes().items():
            if snapshot[name].shape != (count,):
                raise ValueError(
                    f"training: the snapshot's {name} must hold {count} numbers, got {list(snapshot[name].shape)}"
                )
            self._core.write(name, snapshot[name].to(self._dtype))
        self._core.updates, self._core.width_updates, *batches = snapshot["counts"].tolist()
        self._core.batches = batches

    def _row_sizes(self) -> dict[str, int]:
        weights = sum(tensor.numel() for tensor in self._parameters)
        running = 2 * sum(norm.num_features for norm in self._norms)
        widths = self._core.width_numbers
        sizes = {"parameters": weights, "first": weights, "second": weights, "running": running}
        return sizes | dict.fromkeys(("widths", "width_first", "width_second"), widths)

    def _trained_places(self) -> list[tuple[int, int]]:
        """Places in the model's list of parameters, with the number that the core knows them by."""
        numbers = [(place, self._numbers.get(key, -1)) for place, key in enumerate(self._order)]
        return [(place, number) for place, number in numbers if 0 <= number < self._trained]

    def _pieces(self, which: str) -> list[Tensor]:
        sizes = [tensor.numel() for tensor in self._parameters]
        row = torch.empty(sum(sizes), dtype=self._dtype)
        self._core.read(which, row)
        shapes = [tensor.shape for tensor in self._parameters]
        return [p.reshape(s).clone() for p, s in zip(row.split(sizes), shapes, strict=True)]

    def _running_pieces(self) -> list[Tensor]:
        sizes = [norm.num_features for norm in self._norms for _ in range(2)]
        row = torch.empty(sum(sizes), dtype=self._dtype)
        self._core.read("running", row)
        return [piece.clone() for piece in row.split(sizes)] if sizes else []

    def _check_names(self, state: Mapping[str, Tensor]) -> None:
        if missing := [name for name in self._entries if name not in state]:
            raise ValueError(f"training: the state has no {', '.join(missing)}")
        if unknown := [name for name in state if name not in self._entries]:
            raise ValueError(f"training: the model has no {', '.join(unknown)}")
        for name, (_, stored) in self._entries.items():
            if state[name].shape != stored.shape:
                raise ValueError(
                    f"training: {name} must have the shape {list(stored.shape)}, got {list(state[name].shape)}"
                )


def _joined(pieces: list[Tensor], dtype: torch.dtype) -> Tensor:
    return torch.cat([piece.reshape(-1) for piece in pieces]) if pieces else torch.empty(0, dtype=dtype)
