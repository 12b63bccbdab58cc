"""Which number format at how many bits: two trained networks, each format alone and all mixed layer by layer."""
