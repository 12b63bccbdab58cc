"""The Python suite on an extension with sanitizers: ``python -m tests.sanitizers address -- tests/evaluator -q``."""
