"""What of other libraries' logging a worker puts right, once BentoML has configured it."""

import logging


def configure_loggers() -> None:
    """Let errors within the event loop be heard, and uvicorn be quiet about each request."""
    # It says what failed in a callback, where nobody else would hear of it. It is older than BentoML's
    # configuration, which disables what it does not name.
    logging.getLogger("asyncio").disabled = False
    # uvicorn words a line for each request, which BentoML then drops: that was a quarter of a worker's time.
    # It asks for handlers when a connection is made.
    access = logging.getLogger("uvicorn.access")
    access.handlers.clear()
    access.propagate = False
    # A call whose deadline passes while its answer is sent is no failure of the service.
    logging.getLogger("grpc._cython.cygrpc").addFilter(_is_about_more_than_a_gone_call)


def _is_about_more_than_a_gone_call(record: logging.LogRecord) -> bool:
    kind = record.exc_info[0] if record.exc_info else None
    return kind is None or kind.__name__ != "ExecuteBatchError"
