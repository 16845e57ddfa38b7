"""The Open Inference Protocol on the wire: datatypes, tensors, protobuf messages.

In come a request's tensors, as JSON or as protobuf; out go their values, checked against datatype and shape.
Both transports of the protocol use it, and so does the audit log, which shows recorded messages as JSON.
"""
