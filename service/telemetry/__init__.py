"""Observability: metrics, gauges, tracing, and the loggers of other libraries.

In come the counts and the state of a worker; out go the metrics page, spans, and log lines.
"""
