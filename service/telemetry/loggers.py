"""Corrections to the loggers of other libraries, after BentoML has configured logging."""

import logging


def configure_loggers() -> None:
    """Enable errors of the event loop, and disable uvicorn's line per request."""
    # asyncio logs errors in callbacks, which nothing else reports. BentoML's configuration does not name this
    # logger, and so disables it.
    logging.getLogger("asyncio").disabled = False
    # uvicorn formats a line for each request, which BentoML then drops. That took a quarter of a worker's
    # time. uvicorn checks for handlers when a connection is made.
    access = logging.getLogger("uvicorn.access")
    access.handlers.clear()
    access.propagate = False
    # A call whose deadline passes while its answer is sent is not an error of the service.
    logging.getLogger("grpc._cython.cygrpc").addFilter(_is_not_about_ended_call)


def _is_not_about_ended_call(record: logging.LogRecord) -> bool:
    kind = record.exc_info[0] if record.exc_info else None
    return kind is None or kind.__name__ != "ExecuteBatchError"
