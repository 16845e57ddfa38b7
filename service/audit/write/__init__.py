"""Writing: from a record that a worker appends to its commit by the worker's writer process.

In come records, with deadlines, and in relaxed mode what was dropped. Out go outcomes, one for each record.
"""
