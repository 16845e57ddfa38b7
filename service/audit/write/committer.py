"""The committer: what has come from the worker goes into the log, group by group, and the worker is told.

    socket -> all that came during the last commit -> one transaction -> how many are written

It is alone in its process, so that neither it nor the worker's event loop ever waits for the other to let go
of the interpreter: as a thread of the worker it took a third of the worker's requests.

A commit with ``synchronous=FULL`` costs a flush of the disk, some 0.2 ms at best, whatever it holds. So it
commits everything that came while the previous commit was under way: the more requests wait, the more share
one flush (group commit).

In relaxed mode nobody waits. What cannot be written is tried again; how much was dropped the worker says, and
the log states it as soon as it can be written (gap.py).
"""

import logging
import os
import pickle
import traceback
from contextlib import suppress
from selectors import EVENT_READ, DefaultSelector
from socket import MSG_DONTWAIT, socket
from time import monotonic
from typing import Any, Literal

import apsw

from service.audit.columns import PackedRecord, RecordIdentity
from service.audit.ipc.framing import Inbox, framed
from service.audit.write.busy_wait import AWAKE_S, Succession
from service.audit.write.gap import Statement
from service.audit.write.logfile import LogFile
from service.audit.write.watch import Watch

Mode = Literal["strict", "relaxed"]

_TRIAL_INTERVAL_S = 1.0
"""How often a log that could not be written is tried. A worker that is not ready gets no requests, so
without trials it would never find out that the disk has room again."""

_RETENTION_INTERVAL_S = 1.0
"""How often an idle committer looks whether the log is over its limits."""
_STEP_INTERVAL_S = 0.005
"""How long it waits for records between two steps of pruning."""
_GATHERING_S = 0.01
"""How long records gather in relaxed mode, where nobody waits for them."""

_FAULTS_OF_A_RECORD = (TypeError, ValueError, OverflowError, apsw.ConstraintError, apsw.TooBigError)
"""What a record that cannot be written as it is raises, as against a log that cannot be written."""


class Committer:
    """Commits what comes over the socket until the worker closes its end."""

    def __init__(self, worker: socket, file: LogFile, mode: Mode) -> None:
        self._worker = worker
        self._inbox = Inbox(worker)
        self._file = file
        self._mode = mode
        self._woken, self._waker = os.pipe()
        self._selector = DefaultSelector()
        for source in (worker, self._woken):
            self._selector.register(source, EVENT_READ)
        self._kept: list[PackedRecord] = []
        """In relaxed mode, what could not be written and is tried again."""
        self._ended = False
        self._failing = False
        self._over_limits = False
        self._succession = Succession(is_awaited=mode == "strict")
        self._probe: PackedRecord | None = None
        """One of the records that could not be written, with which it is tried whether others can."""
        self._gap: Statement | None = None
        """What the log is to state."""
        self._unsure: list[RecordIdentity] = []
        """In relaxed mode, what the process before this one was sent and did not say is written."""
        self._unsure_gap: Statement | None = None
        """The same of a gap."""

    def run(self) -> None:
        """Return when all that the worker sent is written, or cannot be."""
        watch = Watch(self._file.path, self._file, wake=self._wake)
        try:
            while not self._ended:
                group = self._next_group()
                if not self._look_for_unsure():
                    self._kept = group  # Outcomes are told in the order in which records came.
                elif group or self._gap or ((self._failing or self._file.doubted) and not self._ended):
                    self._commit(group)
                if not (self._failing or self._ended):
                    self._keep_limits(len(group))
        finally:
            watch.stop()
            self._file.close()
            self._selector.close()
            os.close(self._woken)
            os.close(self._waker)

    def _next_group(self) -> list[PackedRecord]:
        # Sleeps until there is something to write, and takes all that there is. While the log cannot be
        # written it also wakes up without records, for a trial.
        group, self._kept = self._kept, []
        began = monotonic()
        if not (self._succession.is_quick and self._stay_awake(group, began + AWAKE_S)):
            self._take_what_comes(group, self._patience_s())
        self._succession.follow(len(group), monotonic() - began)
        if self._mode == "relaxed" and group and not self._failing:
            until = monotonic() + _GATHERING_S
            while not self._ended and (left := until - monotonic()) > 0:
                self._take_what_comes(group, left)
        return group

    def _take_what_comes(self, group: list[PackedRecord], patience_s: float | None) -> None:
        while not self._ended:
            readable = [key.fileobj for key, _ in self._selector.select(patience_s)]
            if self._woken in readable:
                os.read(self._woken, 64)
            if self._worker not in readable:
                return
            self._receive(group)
            patience_s = 0  # Once more: what came meanwhile shares the commit.

    def _stay_awake(self, group: list[PackedRecord], until: float) -> bool:
        """Whether something came until then."""
        while monotonic() < until:
            if self._receive(group):
                return True
            os.sched_yield()
        return False

    def _receive(self, group: list[PackedRecord]) -> bool:
        """Whether something had come."""
        try:
            for message in self._inbox.receive(MSG_DONTWAIT):
                self._take(group, *message)
        except BlockingIOError:
            return False
        except EOFError:
            self._ended = True
        return True

    def _take(self, group: list[PackedRecord], kind: str, gap: Any, *about: Any) -> None:
        statement = gap and Statement(*gap)
        if kind == "records":
            self._gap = statement or self._gap
            group += about[0]
        else:  # The first message after another process ended.
            self._unsure_gap = statement
            self._unsure, is_suspect = about
            self._failing = self._failing or is_suspect

    def _wake(self) -> None:
        os.write(self._waker, b"!")

    def _patience_s(self) -> float | None:
        if self._failing or self._gap or self._unsure or self._unsure_gap:
            return _TRIAL_INTERVAL_S
        if self._over_limits:
            return _STEP_INTERVAL_S
        return _RETENTION_INTERVAL_S if self._file.limits else None

    def _look_for_unsure(self) -> bool:
        """Whether nothing is unsure any more."""
        if not (self._unsure or self._unsure_gap):
            return True
        try:
            held, is_stated = self._file.look_up(self._unsure, self._unsure_gap)
        except Exception as error:
            self._note_failure(error, failing=True)  # It is looked for again.
            return False
        self._tell("found", held)
        if is_stated:
            self._tell_stated(self._unsure_gap)
        else:
            self._gap = self._unsure_gap
        self._unsure, self._unsure_gap = [], None
        return True

    def _commit(self, group: list[PackedRecord]) -> None:
        gap = self._gap
        try:
            if group or gap:
                self._file.write(group, gap)
            else:
                self._file.try_to_write(self._probe)
        except Exception as error:
            at_fault = isinstance(error, _FAULTS_OF_A_RECORD)
            if at_fault and len(group) > 1:  # One of them; its neighbours must not suffer for it.
                for record in group:
                    self._commit([record])
                return
            self._note_failure(error, failing=not at_fault)
            self._give_up(group, error, again=not (at_fault or self._ended))
        else:
            self._note_success()  # First: whoever got an answer finds the log writable.
            self._tell("written", len(group))
            if gap:
                self._gap = None
                self._tell_stated(gap)
            self._file.bound_wal()  # Nobody waits for that.

    def _tell_stated(self, gap: Statement | None) -> None:
        if gap is not None:
            self._tell("stated", gap.gap_id)

    def _give_up(self, group: list[PackedRecord], error: Exception, *, again: bool) -> None:
        if group and again:
            self._probe = group[0]
        if again and self._mode == "relaxed":
            self._kept += group
        else:
            self._tell("failed", len(group), _pickled(error))

    def _keep_limits(self, just_written: int) -> None:
        if not self._file.limits:
            return
        try:
            self._over_limits = self._file.prune_step(just_written)
        except Exception as error:
            # Whether records can be written is for records to tell.
            self._over_limits = False
            self._tell(
                "log", logging.WARNING, f"the audit log {self._file.path} could not be pruned: {error}"
            )

    def _note_failure(self, error: Exception, *, failing: bool) -> None:
        path = self._file.path
        if not failing:
            reason = "".join(traceback.format_exception(error)).rstrip()
            self._tell("log", logging.ERROR, f"a record cannot be written to the audit log {path}\n{reason}")
            return
        if not self._failing:
            self._tell("log", logging.ERROR, f"the audit log {path} cannot be written: {error}")
        self._failing = True
        self._tell("failing", True)  # Each time: the worker takes a process that says nothing for hung.

    def _note_success(self) -> None:
        self._probe = None
        if self._failing:
            self._failing = False
            self._tell("log", logging.WARNING, f"the audit log {self._file.path} is written again")
            self._tell("failing", False)

    def _tell(self, *message: Any) -> None:
        with suppress(ConnectionError):  # It is gone; what it had sent is written all the same.
            self._worker.sendall(framed(message))


def _pickled(error: Exception) -> bytes:
    try:
        return pickle.dumps(error)
    except Exception:  # An exception may hold anything.
        return pickle.dumps(RuntimeError(repr(error)))
