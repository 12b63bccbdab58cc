"""Post-training fronts beside trained ones, and recipes of quantization-aware training."""
