"""The one exception for bad input that a user typed."""

from __future__ import annotations


class ConfigError(ValueError):
    """A value in a config, an option or a file that cannot be used; the command line exits with 2 on it.

    The message is one sentence: key path or node name, the value, what is allowed.

    >>> raise ConfigError("quantize.linear.config.weight_width must be 1..32, got 40")
    Traceback (most recent call last):
    ...
    chop.tools.errors.ConfigError: quantize.linear.config.weight_width must be 1..32, got 40
    """
