"""The HTTP face of the service: the gateway, the pages beside it, and what they are described by."""
