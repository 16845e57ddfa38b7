"""Benchmarks: the service beside other servers, and variants of itself, in interleaved rounds."""
