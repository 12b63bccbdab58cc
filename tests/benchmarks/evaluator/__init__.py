"""The evaluator against its peers: one process, one thread, one trial's loss and accuracy.

Run: python -m tests.benchmarks.evaluator [--models tiny,toy] [--rows 10000] [--peers mase_loop,eager] [--out FOLDER]
or:  pytest -m benchmark -s tests/benchmarks/evaluator

Protocol: in each round every variant runs once, in a random (seeded) order, so its data has left the caches to what
ran before it; a round before the first is not counted. What a peer does before it can run a configuration
(rebuilding, exporting, compiling) is not timed with its runs but reported beside them. Ours has no such step: what
the evaluator does with a configuration is in its time, and each configuration is new to it. Before the rounds it has
seen each format of each operand of each layer once, so packed weights and cached inputs may be there; results never
are.
"""
