"""The bytes that requests hold from the first byte of their body until they are answered.

A request takes its slot of admission when its body is complete, so admission does not bound how much the
bodies hold before. This does: beyond the limit, a body is refused that is larger than the average of those
that are held. A small request is thus never refused for the sake of large ones, and the sum stays below
twice the limit.
"""


class IncomingBodies:
    """The bodies of one worker."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._count = 0
        self.held_bytes = 0

    def may_hold(self, held_bytes: int, more_bytes: int) -> bool:
        """Count more bytes of a body; False, and nothing is counted, if it may not hold them."""
        total = self.held_bytes + more_bytes
        count = self._count if held_bytes else self._count + 1
        if total > self._limit_bytes and held_bytes + more_bytes > self._limit_bytes / count:
            return False
        self._count = count
        self.held_bytes = total
        return True

    def release(self, held_bytes: int) -> None:
        """Count out a body that holds so many bytes."""
        if held_bytes:
            self._count -= 1
            self.held_bytes -= held_bytes
