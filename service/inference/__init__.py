"""Inference: admission, the data plane, validation of rows, and batched calls of the model.

In come requests of any transport with the codec of their message format; out go replies, each after its
record in the audit log is committed.
"""
