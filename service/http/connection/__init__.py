"""HTTP connections: uvicorn's, with limits on time, descriptors and bytes, and a fast path.

In come bytes of a socket; out go ASGI scopes for the gateway.
"""
