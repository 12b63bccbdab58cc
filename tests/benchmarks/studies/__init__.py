"""Whole studies against Optuna's TPE with the MASE-style loop."""
