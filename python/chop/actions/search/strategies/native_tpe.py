"""The sampler ``native-tpe`` at the import path of version 0.1.0."""

from chop.actions.search.samplers.native_tpe import NativeTpeSampler

__all__ = ["NativeTpeSampler"]
