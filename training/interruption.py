"""Ctrl-C and SIGTERM end a training by an exception, once, and only while nothing is published.

Python raises the exception wherever the training is, so that its steps are undone while the stack unwinds.
Some libraries swallow it, for example in a destructor, so it is raised again at the next step. A second
signal ends the process at once. After ``ignore_from_now_on``, when the publication can no longer be undone,
signals have no effect.
"""

import logging
import os
import signal
import sys
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """A signal ended the training."""


class Interruption:
    """Whether a signal ended the training; never, unless ``install`` was called."""

    def __init__(self) -> None:
        self._received: signal.Signals | None = None
        self._is_ignoring = False

    def install(self) -> None:
        """Handle the signals, except one that the parent process set to be ignored."""
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._handle)

    @property
    def received(self) -> signal.Signals | None:
        """The signal, if one came in time."""
        return self._received

    @property
    def exit_code(self) -> int:
        """As a shell reports it for a process that a signal ended."""
        return 0 if self._received is None else 128 + self._received

    def check(self) -> None:
        """Raise Interrupted if a signal came before, because a library may have swallowed the exception."""
        if self._received is not None:
            raise Interrupted

    def ignore_from_now_on(self) -> None:
        """Ignore further signals; raises Interrupted if one came before."""
        self.check()
        self._is_ignoring = True

    def _handle(self, number: int, _: FrameType | None) -> None:
        if self._is_ignoring:
            return
        if self._received is not None:
            os._exit(128 + number)
        self._received = signal.Signals(number)
        # Libraries log the exception with its traceback; one sentence at the end replaces all of that.
        logging.disable()
        sys.unraisablehook = _ignore_unraisable
        raise Interrupted


def _ignore_unraisable(_: object) -> None:
    pass


def all_notes_of(error: BaseException | None) -> list[str]:
    """The notes of an error and of the errors that caused it."""
    notes: list[str] = []
    while error is not None:
        notes.extend(getattr(error, "__notes__", []))
        error = error.__cause__ or error.__context__
    return list(dict.fromkeys(notes))
