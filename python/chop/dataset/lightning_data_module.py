"""The data module as Lightning wants it; importing this file imports lightning."""

from __future__ import annotations

import lightning

from chop.dataset.data_module import MaseDataModule


class LightningMaseDataModule(MaseDataModule, lightning.LightningDataModule):  # type: ignore[misc]
    """A :class:`MaseDataModule` that ``lightning.Trainer`` accepts."""
