"""Checkpoints of the tree, signed, and the witnesses that keep them where the log cannot be rewritten.

In come the path of a log, a signing key and the names of witnesses. Out go checkpoints in the log and in the
witnesses, and the checkpoints that a witness has.
"""
