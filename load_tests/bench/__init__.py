"""Benchmarks: the service compared with other servers and with variants of itself.

In come a published model and the baselines; out come figures and verdicts in ``load_tests/results``. The
services are loaded in interleaved rounds, so that other work of the machine affects all of them alike.
"""
