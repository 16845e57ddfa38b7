"""Ctrl-C and SIGTERM end a training by an exception, once, and only while nothing is published.

Python raises the exception wherever the training is, so that what it has begun can be taken back on the way
out. Some libraries swallow it, from a destructor for one; so it is raised again at the next step. A second
signal ends the process at once. From ``end`` on, when the publication can no more be taken back, a signal
comes too late, and changes nothing.
"""

import logging
import os
import signal
import sys
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """A signal asked for the end of the training."""


class Interruption:
    """Whether the training was asked to end; it is not, unless ``install`` was called."""

    def __init__(self) -> None:
        self._received: signal.Signals | None = None
        self._is_too_late = False

    def install(self) -> None:
        """Take the signals, but not one that whoever started the process wants ignored."""
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._take)

    @property
    def received(self) -> signal.Signals | None:
        """The signal, if one came in time."""
        return self._received

    @property
    def exit_code(self) -> int:
        """As a shell gives it for a process that ended by the signal."""
        return 0 if self._received is None else 128 + self._received

    def check(self) -> None:
        """Raise Interrupted where a signal came, and whoever was running then kept it to himself."""
        if self._received is not None:
            raise Interrupted

    def end(self) -> None:
        """Let further signals change nothing; raises Interrupted where one came before."""
        self.check()
        self._is_too_late = True

    def _take(self, number: int, _: FrameType | None) -> None:
        if self._is_too_late:
            return
        if self._received is not None:
            os._exit(128 + number)
        self._received = signal.Signals(number)
        # Libraries log what stops them, with its traceback; what there is to say is said once, at the end.
        logging.disable()
        sys.unraisablehook = _say_nothing
        raise Interrupted


def _say_nothing(_: object) -> None:
    pass


def all_notes_of(error: BaseException | None) -> list[str]:
    """The notes of an error and of those that led to it."""
    notes: list[str] = []
    while error is not None:
        notes.extend(getattr(error, "__notes__", []))
        error = error.__cause__ or error.__context__
    return list(dict.fromkeys(notes))
