"""The size of a request's head and of its body's framing, counted while they arrive in slices."""

from service.errors import HeadersTooLarge, RequestMalformed

HEAD_BYTES = 64 * 1024
"""Limit of the request line and headers; also of the framing between two bytes of a body's content, such as
chunk extensions or trailers."""
HEAD_LINES = 128
"""Limit of the request line and headers in lines; also of trailers."""


class MessageSize:
    """The size of the request that a connection is receiving."""

    __slots__ = ("_content", "_gap", "_head", "_received", "_trailers")

    def __init__(self) -> None:
        self._head = 0
        self._received = self._content = self._gap = 0
        self._trailers = 0

    def grow_head(self, slice_bytes: int, lines: int) -> None:
        """Count a slice that belongs to an unfinished head; raises HeadersTooLarge."""
        self._head += slice_bytes
        if self._head > HEAD_BYTES or lines > HEAD_LINES:
            raise HeadersTooLarge(HEAD_BYTES, HEAD_LINES)

    def end_head(self, slice_bytes: int, target: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        """Check a head that ended within the slice; raises HeadersTooLarge."""
        if len(headers) >= HEAD_LINES or (
            # A slice in which the previous request ended was not counted.
            self._head + slice_bytes > HEAD_BYTES // 2 and _length(target, headers) > HEAD_BYTES
        ):
            raise HeadersTooLarge(HEAD_BYTES, HEAD_LINES)
        self._head = 0
        self._received = -slice_bytes  # This slice is not counted: it begins with the head.
        self._content = -1
        self._trailers = 0

    def grow_body(self, slice_bytes: int, content_bytes: int) -> None:
        """Count a slice of an unfinished body, and the bytes of content so far.

        Raises HeadersTooLarge or RequestMalformed. Tiny chunks cost many times as much as their content.
        """
        self._received += slice_bytes
        self._gap = self._gap + slice_bytes if content_bytes == self._content else 0
        self._content = content_bytes
        if self._gap > HEAD_BYTES:
            raise HeadersTooLarge(HEAD_BYTES, HEAD_LINES)
        if self._received - content_bytes > HEAD_BYTES + content_bytes:
            raise RequestMalformed("its chunks hold more framing than content")

    def add_trailer(self) -> None:
        """Count a trailer; raises HeadersTooLarge."""
        self._trailers += 1
        if self._trailers > HEAD_LINES:
            raise HeadersTooLarge(HEAD_BYTES, HEAD_LINES)


def _length(target: bytes, headers: list[tuple[bytes, bytes]]) -> int:
    line = len(b"GET  HTTP/1.1\r\n") + len(target)
    return line + sum(len(name) + len(value) + len(b": \r\n") for name, value in headers) + len(b"\r\n")
