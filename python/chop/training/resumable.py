"""Whether a ``last.ckpt`` can be gone on from: every value in it is of the right kind, and agrees with the others.

Its checksums tell a damaged file; this tells one that somebody else wrote, or an editor.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from chop.tools.errors import ConfigError
from chop.training.history import COLUMNS
from chop.training.plan import Job
from chop.training.resumable_places import check_places
from chop.training.resumable_values import Values

__all__ = ["check_facts", "check_state"]

_VALIDATION = ("val_loss_epoch", "val_acc_epoch", "val_acc_micro")
_CHOSEN = ("lr", "initial_lr", "params")  # of a group of parameters; the plan decides its other options
_FEW = 100_000  # intervals of a schedule that may be gone through to learn its rate


def check_facts(content: Mapping[str, Any], path: Path) -> None:
    """Check what a checkpoint says of its run, apart from weights and the optimizer.

    Raises:
        ConfigError: the first value that is missing, of a wrong kind, or at odds with the others; its key is named.
    """
    values = Values(content, path)
    keys = (
        "state_dict",
        "epoch",
        "global_step",
        "optimizer_states",
        "lr_schedulers",
        "chop_run",
        "chop_scores",
    )
    if missing := [key for key in keys if key not in content]:
        raise ConfigError(
            f"resume: {path} is no checkpoint of ch train; start from its weights with --load "
            f"(it lacks {', '.join(missing)})"
        )
    epoch = values.whole("epoch", content["epoch"], 0)
    step = values.whole("global_step", content["global_step"], 1)
    _check_scores(values, epoch, step)
    run = values.table("chop_run", content["chop_run"], ("engine", "plan", "rows", "best"))
    if not isinstance(run["engine"], str):
        raise values.wrong("chop_run.engine", "a text", run["engine"])
    facts = {f"plan.{name}": value for name, value in values.table("chop_run.plan", run["plan"]).items()}
    for name, value in (facts | {"rows": run["rows"]}).items():
        if value is not None and not isinstance(value, (bool, int, float, str)):
            raise values.wrong(f"chop_run.{name}", "a number, a text, true, false or nothing", value)
    trained = run.get("trained", [])  # files of before this entry lack it
    if not isinstance(trained, list) or not all(type(count) is int for count in trained):
        raise values.wrong("chop_run.trained", "a list of whole numbers", trained)
    best = values.table("chop_run.best", run["best"], ("epoch", "loss"))
    if values.whole("chop_run.best.epoch", best["epoch"], 0) > epoch:
        raise values.wrong("chop_run.best.epoch", f"a whole number in 0..{epoch}", best["epoch"])
    loss = values.number("chop_run.best.loss", best["loss"])
    if (
        best["epoch"] == epoch
        and loss != content["chop_scores"].get("val_loss_epoch", loss)
        and loss != math.inf
    ):
        raise values.wrong("chop_run.best.loss", "chop_scores.val_loss_epoch", best["loss"])
    state = values.table("state_dict", content["state_dict"])
    for name, tensor in state.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise values.wrong(f"state_dict.{name}", "a tensor under a name", tensor)


def _check_scores(values: Values, epoch: int, step: int) -> None:
    figures = [name for name in COLUMNS.values() if name not in _VALIDATION]
    scores = values.table("chop_scores", values.content["chop_scores"], figures)
    if any(name in scores for name in _VALIDATION):
        values.table("chop_scores", scores, _VALIDATION)
    values.equal("chop_scores.epoch", scores["epoch"], epoch)
    values.equal("chop_scores.step", scores["step"], step)
    for name, value in scores.items():
        if name not in COLUMNS.values():
            raise ConfigError(f"resume: {values.path}: chop_scores has the unknown figure {name!r}")
        if not (isinstance(value, float) and math.isnan(value)):  # as a diverging run has them
            limit = 1.0 if "_acc" in name else math.inf
            values.number(f"chop_scores.{name}", value, 0.0, limit)


def check_state(job: Job, engine: str) -> None:
    """Check weights, optimizer and schedule of the checkpoint of a job against its model and plan.

    Raises:
        ConfigError: as :func:`check_facts`.
    """
    if job.checkpoint is None or job.resume is None:
        return
    values = Values(job.checkpoint, job.resume)
    _check_weights(values, job)
    optimizer = job.plan.make_optimizer(job.model)
    step = int(job.checkpoint["global_step"])
    _check_optimizer(values, optimizer, step, job.plan.learning_rate, exact=engine == "native")
    _check_schedule(values, job)
    if engine == "lightning":
        check_places(values)


def _check_weights(values: Values, job: Job) -> None:
    state = values.content["state_dict"]
    for name, own in job.model.state_dict().items():
        key = f"state_dict.model.{name}"
        given = state.get(f"model.{name}")
        fits = isinstance(given, Tensor) and given.shape == own.shape and given.layout == own.layout
        if (
            not fits
            or given.is_floating_point() != own.is_floating_point()
            or given.is_complex() != own.is_complex()
        ):
            kind = str(own.dtype).removeprefix("torch.")
            raise values.wrong(key, f"a tensor {list(own.shape)} of {kind}", given)
        if not own.is_floating_point() and (given.dtype != own.dtype or bool((given < 0).any())):
            raise values.wrong(key, f"counts of {str(own.dtype).removeprefix('torch.')}", given)


def _check_optimizer(values: Values, optimizer: Optimizer, step: int, rate: float, exact: bool) -> None:
    made = optimizer.state_dict()
    given = values.one_table("optimizer_states", ("state", "param_groups"))
    groups, wanted = given["param_groups"], made["param_groups"]
    if not isinstance(groups, (list, tuple)) or len(groups) != len(wanted):
        raise values.wrong("optimizer_states[0].param_groups", f"a list of {len(wanted)} tables", groups)
    for number, (group, own) in enumerate(zip(groups, wanted, strict=True)):
        where = f"optimizer_states[0].param_groups[{number}]"
        values.table(where, group, list(own))
        for name in own.keys() - set(_CHOSEN):
            values.equal(f"{where}.{name}", group[name], own[name])
        values.equal(f"{where}.params", group["params"], own["params"])
        values.number(f"{where}.lr", group["lr"], 0.0, rate)
        values.equal(f"{where}.initial_lr", group.get("initial_lr", rate), rate)
    tensors = [tensor for group in optimizer.param_groups for tensor in group["params"]]
    state = values.table("optimizer_states[0].state", given["state"])
    for place, entry in state.items():
        where = f"optimizer_states[0].state[{place!r:.20}]"
        if type(place) is not int or not 0 <= place < len(tensors):
            raise ConfigError(f"resume: {values.path}: {where} belongs to no parameter of the model")
        _check_entry(values, where, values.table(where, entry), tensors[place], step, exact)
    _check_complete(values, optimizer, state, tensors)


def _check_entry(
    values: Values, where: str, entry: Mapping[Any, Any], tensor: Tensor, step: int, exact: bool
) -> None:
    for name, value in entry.items():
        key = f"{where}.{name}"
        if name == "step":
            count = value.item() if isinstance(value, Tensor) and value.numel() == 1 else value
            whole = type(count) in (int, float) and 1 <= count <= step and count == int(count)
            if not whole or (exact and count != step):
                wanted = f"{step}, as global_step" if exact else f"a whole number in 1..{step}"
                raise values.wrong(key, wanted, value)
        elif value is None and name == "momentum_buffer":
            continue
        elif not isinstance(value, Tensor) or value.shape != tensor.shape or not value.is_floating_point():
            raise values.wrong(key, f"a tensor {list(tensor.shape)} of floats", value)
        elif not bool(value.isfinite().all()) or (name == "exp_avg_sq" and bool((value < 0).any())):
            raise ConfigError(f"resume: {values.path}: {key} holds numbers that no training leaves there")


def _check_complete(
    values: Values, optimizer: Optimizer, state: Mapping[Any, Any], tensors: list[Tensor]
) -> None:
    """Parameters that are trained all have the entries that the optimizer keeps."""
    if isinstance(optimizer, (torch.optim.Adam, torch.optim.AdamW)):
        names = ["step", "exp_avg", "exp_avg_sq"]
    elif isinstance(optimizer, torch.optim.SGD) and optimizer.param_groups[0]["momentum"]:
        names = ["momentum_buffer"]
    else:
        return
    trained = values.content["chop_run"].get("trained")
    if (not state and any(tensor.requires_grad for tensor in tensors)) or trained not in (None, [len(state)]):
        raise ConfigError(
            f"resume: {values.path}: optimizer_states[0].state has {len(state)} entries, "
            f"chop_run.trained says {trained}"
        )
    for place, entry in state.items():
        values.table(f"optimizer_states[0].state[{place}]", entry, names)


def _check_schedule(values: Values, job: Job) -> None:
    plan = job.plan
    clock = torch.optim.SGD([torch.zeros(1)], lr=plan.learning_rate)
    rows = job.data.rows("train")
    batches = len(job.data.train_loader(plan.seed)) if rows is None else -(-len(rows[1]) // plan.batch_size)
    schedule = plan.schedule.make(clock, plan.schedule_length(batches))
    given = values.one_table("lr_schedulers", list(schedule.state_dict()))
    by_epoch = plan.schedule.interval == "epoch"
    done = int(values.content["epoch"]) + 1 if by_epoch else int(values.content["global_step"])
    values.equal("lr_schedulers[0].last_epoch", given["last_epoch"], done)
    if done > _FEW:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the order of steps
        for _ in range(done):
            schedule.step()
    for name, value in schedule.state_dict().items():
        key = f"lr_schedulers[0].{name}"
        if name != "_last_lr":
            values.equal(key, given[name], value)
        elif not isinstance(given[name], (list, tuple)) or len(given[name]) != 1:
            raise values.wrong(key, "a list of one number", given[name])
        else:
            _check_rate(values, key, given[name][0], value[0])
            group = values.content["optimizer_states"][0]["param_groups"][0]
            _check_rate(values, "optimizer_states[0].param_groups[0].lr", group["lr"], value[0])


def _check_rate(values: Values, key: str, given: Any, wanted: float) -> None:
    if not abs(values.number(key, given) - wanted) <= 1e-6 * wanted:
        raise values.wrong(key, repr(wanted), given)
