"""Ctrl-C and SIGTERM end a training by an exception, once, and only while nothing is published.

Python raises the exception wherever the training is, so that its steps are undone while the stack unwinds.
Some libraries swallow it, for example in a destructor, so it is raised again at the next step. A second
signal ends the process at once. After ``ignore_from_now_on``, when the publication can no longer be undone,
signals have no effect.

It is not raised while MLflow uses its database, nor in what is ``uninterrupted``, but when that returns. A
query that an exception ends halfway stays open as long as the traceback is, and its lock keeps out whatever
undoes the steps.
"""

import logging
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_OF_DATABASES = ("mlflow.store.db.", "mlflow.store.tracking.sql", "mlflow.store.model_registry.sql")
"""Modules of MLflow that use its database while they are on the stack, by how their names begin."""
_DEFERRAL_LIMIT_S = 30.0
"""How long a signal waits; a database that does not answer for longer is given up."""


def uninterrupted(steps: Callable[[], None]) -> None:
    """Take steps that belong together; a signal that comes meanwhile takes effect at the end."""
    steps()


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
        signal.signal(signal.SIGALRM, self._raise)

    @property
    def received(self) -> signal.Signals | None:
        """The signal, if one came in time."""
        return self._received

    @property
    def exit_code(self) -> int:
        """As a shell reports it for a process that a signal ended."""
        return 0 if self._received is None else 128 + self._received

    def check(self) -> None:
        """Raise Interrupted if a signal came: it is deferred, or a library swallowed the exception."""
        if self._received is not None:
            self._raise()

    def ignore_from_now_on(self) -> None:
        """Ignore further signals; raises Interrupted if one came before."""
        self.check()
        self._is_ignoring = True

    def close(self) -> None:
        """Ignore further signals, and one that is deferred, because the training has ended."""
        self._is_ignoring = True
        _end_deferral()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._is_ignoring:
            return
        if self._received is not None:
            os._exit(128 + number)
        self._received = signal.Signals(number)
        # Libraries log the exception with its traceback; one sentence at the end replaces all of that.
        logging.disable()
        sys.unraisablehook = _ignore_unraisable
        undivided = _outermost_undivided(frame)
        if undivided is None:
            raise Interrupted
        signal.setitimer(signal.ITIMER_REAL, _DEFERRAL_LIMIT_S)
        sys.setprofile(lambda current, event, _: self._raise_after(undivided, current, event))

    def _raise_after(self, undivided: FrameType, current: FrameType, event: str) -> None:
        if current is undivided and event == "return":
            self._raise()

    def _raise(self, *_: Any) -> None:
        _end_deferral()
        raise Interrupted


def _end_deferral() -> None:
    sys.setprofile(None)
    signal.setitimer(signal.ITIMER_REAL, 0)


def _outermost_undivided(frame: FrameType | None) -> FrameType | None:
    found = None
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if name.startswith(_OF_DATABASES) or frame.f_code is uninterrupted.__code__:
            found = frame
        frame = frame.f_back
    return found


def _ignore_unraisable(_: object) -> None:
    pass


def all_notes_of(error: BaseException | None) -> list[str]:
    """The notes of an error and of the errors that caused it."""
    notes: list[str] = []
    while error is not None:
        notes.extend(getattr(error, "__notes__", []))
        error = error.__cause__ or error.__context__
    return list(dict.fromkeys(notes))
