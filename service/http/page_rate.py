"""The rate limit of pages: documentation, metrics, and answers to unknown routes.

A page takes half a millisecond or more of the event loop, so clients that request pages in a loop can occupy
it: 64 connections that requested ``/docs.json`` left 21 of 4,700 predictions per second. A request beyond the
rate waits, and its client with it.
"""

from service.system.rate_limit import RateLimit

PAGES_PER_S = 100.0
PAGE_BURST = 100
"""Pages that may be sent at once after an idle period."""
_MAX_WAIT_S = 5.0
"""The longest wait. Beyond it each client still gets only one page per wait."""


def page_rate() -> RateLimit:
    """The rate of the pages of one worker."""
    return RateLimit(PAGES_PER_S, PAGE_BURST, max_wait_s=_MAX_WAIT_S)
