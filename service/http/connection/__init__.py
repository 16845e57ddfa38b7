"""HTTP connections: uvicorn's, with limits on time, descriptors and bytes, and a fast path for predictions.

In come the bytes of a socket; out go ASGI scopes for the gateway, and answers to requests that HTTP rejects.
"""
