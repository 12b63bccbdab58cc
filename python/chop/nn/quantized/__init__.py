"""Layers (``modules``) and functions (``functional``) that quantize their operands on each call."""
