"""Messages between a worker and the processes that it starts, over socket pairs.

In come plain values at one end, out go the same values at the other. Two processes use it: the writer of the
log and the reader of the history.
"""
