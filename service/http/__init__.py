"""HTTP: connections, the gateway, the message formats of its routes, the pages and the OpenAPI document.

In come the bytes of a socket and the data plane of a worker; out go answers. No transport imports another.
"""
