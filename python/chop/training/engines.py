"""Training engines by name, and which one takes a job."""

from __future__ import annotations

from typing import Any, Protocol

from chop.registry import Registry, did_you_mean
from chop.tools.errors import ConfigError
from chop.tools.logger import get_logger
from chop.training import lightning_engine, native_engine
from chop.training.plan import Job

logger = get_logger(__name__)

AUTO = "auto"


class Engine(Protocol):
    """What an engine offers."""

    name: str

    def why_not(self, job: Job) -> str | None:
        """Return why the engine cannot run the job, one sentence without a full stop; None if it can."""

    def fit(self, job: Job) -> dict[str, Any]:
        """Train ``job.model`` in place and return the figures that ``chop.actions.train`` returns."""


#: name -> engine
ENGINES: Registry[Engine] = Registry("engine")


def engine_names() -> tuple[str, ...]:
    """What ``engine`` may be.

    >>> engine_names()
    ('auto', 'lightning', 'native')
    """
    return (AUTO, *sorted(ENGINES))


def choose(name: str, job: Job) -> Engine:
    """Return the engine for a job and log the choice; "auto": native if it can, else lightning.

    Raises:
        ConfigError: an unknown name, or an engine that cannot run the job.
    """
    if name not in engine_names():
        hint = did_you_mean(name, engine_names())
        raise ConfigError(f"engine must be one of {', '.join(engine_names())}, got {name!r}{hint}")
    if job.checkpoint is not None and name == AUTO:
        name = job.checkpoint["chop_run"]["engine"]
        if name not in ENGINES:
            raise ConfigError(f"resume: {job.resume} was written by the unknown engine {name!r}")
    if name != AUTO:
        why = ENGINES[name].why_not(job)
        if why is not None:
            raise ConfigError(f"engine {name!r} cannot train this: {why}")
        return ENGINES[name]
    native, lightning = ENGINES["native"], ENGINES["lightning"]
    say = logger.info if job.bar else logger.debug
    why = native.why_not(job)
    if why is None:
        say("engine native: the core trains this model on the CPU")
        return native
    other = lightning.why_not(job)
    if other is not None:
        raise ConfigError(
            f"the core cannot train this ({why}), and engine 'lightning' cannot either: {other}"
        )
    say("engine lightning: %s", why)
    return lightning


ENGINES["native"] = native_engine.NativeEngine()
ENGINES["lightning"] = lightning_engine.LightningEngine()
