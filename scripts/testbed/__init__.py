"""What tests and benchmarks run on: servers, clusters, made-up platforms."""
