"""Proof that the log is as it was written.

In come a connection or the path of a log, and anchors. Out go reports of what was changed, removed or
damaged.
"""
