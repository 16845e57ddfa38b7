"""Pages of the history for a worker, read by a process of their own.

In come the filters of a query, out goes the page as JSON, or the reason why there is none. What is read, and
how, is in history.py and reader.py, one folder up.
"""
