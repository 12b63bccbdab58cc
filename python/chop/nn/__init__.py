"""Quantizers and quantized layers: plain PyTorch building blocks that know nothing of graphs."""
