"""What a bit costs: every cost model against the LUTs that yosys counts."""
