"""The bytes that request bodies occupy, from their first byte until the answer.

A request enters admission when its body is complete, so admission does not bound incomplete bodies. This
limit does. Above it, a body that is larger than the average of all bodies is rejected. Large requests
therefore never displace a small one, and the sum stays below twice the limit.
"""


class IncomingBodies:
    """The bodies of one worker."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._count = 0
        self.held_bytes = 0

    def try_reserve(self, held_bytes: int, more_bytes: int) -> bool:
        """Count more bytes of a body that holds some already; False, without counting, if it is rejected."""
        total = self.held_bytes + more_bytes
        count = self._count if held_bytes else self._count + 1
        if total > self._limit_bytes and held_bytes + more_bytes > self._limit_bytes / count:
            return False
        self._count = count
        self.held_bytes = total
        return True

    def release(self, held_bytes: int) -> None:
        """Stop counting a body that holds this many bytes."""
        if held_bytes:
            self._count -= 1
            self.held_bytes -= held_bytes
