"""The Open Inference Protocol on the wire: datatypes, raw tensors, protobuf messages.

Used by the protocol's two transports, and by the log, which shows recorded messages as JSON.
"""
