"""``make demo``: the whole loop on one machine in about three minutes, with real processes.

In come Iris-like flowers whose nature changes; out go the timeline of what the service made of it, and a
proof that every answer is in the log under the model that gave it.
"""
