"""The Open Inference Protocol over gRPC, which each worker serves beside HTTP.

In come calls of the protocol's methods, health checks and reflection; out go requests to the data plane, and
answers or statuses with details.
"""
