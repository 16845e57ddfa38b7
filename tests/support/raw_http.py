"""Requests over HTTP that are sent by hand."""

import socket
from urllib.parse import urlsplit


def send_head(server: str, length: int, *headers: str) -> socket.socket:
    """Send a prediction request up to its body."""
    parts = urlsplit(server)
    connection = socket.create_connection((str(parts.hostname), parts.port or 0), timeout=30)
    head = ["POST /predict HTTP/1.1", "Host: x", "Content-Type: application/json", *headers]
    connection.sendall("\r\n".join([*head, f"Content-Length: {length}", "", ""]).encode())
    return connection
