"""Load tests and benchmarks.

In comes a published model or a running service; out come figures, a verdict on each objective, and reports in
``load_tests/results``.
"""
