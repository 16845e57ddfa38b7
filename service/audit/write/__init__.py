"""Writing: from a record that is appended in a worker to its commit by the process that writes.

In come records, deadlines and gaps; out go outcomes, each once.
"""
