"""Training in the core against Lightning with a DataLoader, a plain torch loop, and JAX with jit and scan."""
