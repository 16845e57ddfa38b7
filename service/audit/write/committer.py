"""The committer: writes what the worker sends, group by group, and reports the outcomes.

    socket -> all messages that arrived during the last commit -> one transaction -> the number of records
    written

It runs in a process of its own, so that neither the committer nor the worker's event loop waits for the other
to release the interpreter. As a thread of the worker it cost a third of the worker's requests.

A commit with ``synchronous=FULL`` costs a flush of the disk, at best 0.2 ms, whatever it holds. So the
committer writes everything that arrived during the previous commit: the more requests are pending, the more
share one flush (group commit).

In relaxed mode no caller waits. Records that cannot be written are tried again. The worker reports how many
were dropped, and the log states it as soon as it can be written (gap.py).
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

from service.audit.act import Act
from service.audit.columns import PackedRecord, RecordIdentity
from service.audit.ipc.framing import FrameReader, frame
from service.audit.keep.retention_state import RetentionState
from service.audit.write.busy_wait import RECORD_WAIT_S, BusyWaitPolicy
from service.audit.write.gap import GapEvent
from service.audit.write.logfile import LogFile
from service.audit.write.retention_report import report_lines
from service.audit.write.watch import Watch

Mode = Literal["strict", "relaxed"]

_TRIAL_INTERVAL_S = 1.0
"""How often a log that could not be written is tried again. A worker that is not ready gets no requests, so
without trials it would never notice that the disk has space again."""

_RETENTION_INTERVAL_S = 1.0
"""How often an idle committer checks whether the log is over its limits."""
_STEP_INTERVAL_S = 0.005
"""How long the committer waits for records between two steps of pruning."""
_GATHERING_S = 0.01
"""How long records gather in relaxed mode, where no caller waits."""

_RECORD_ERRORS = (TypeError, ValueError, OverflowError, apsw.ConstraintError, apsw.TooBigError)
"""Errors of a record that cannot be written, as against those of a log that cannot be written."""


class Committer:
    """Commits the records that come over the socket until the worker closes its end."""

    def __init__(self, worker: socket, file: LogFile, mode: Mode) -> None:
        self._worker = worker
        self._reader = FrameReader(worker)
        self._file = file
        self._mode = mode
        self._woken, self._waker = os.pipe()
        self._selector = DefaultSelector()
        for source in (worker, self._woken):
            self._selector.register(source, EVENT_READ)
        self._retry: list[PackedRecord] = []
        """In relaxed mode: records that could not be written and are tried again."""
        self._ended = False
        self._failing = False
        self._over_limits = False
        self._busy_wait = BusyWaitPolicy(is_awaited=mode == "strict")
        self._probe: PackedRecord | None = None
        """A record that could not be written. Trials use it to find out whether records can be written
        again."""
        self._retention = RetentionState()
        """What the worker knows of it."""
        self._gap: GapEvent | None = None
        """The gap that the log has to state."""
        self._uncertain: list[RecordIdentity] = []
        """In relaxed mode: records that the process before this one was sent and did not report as
        written."""
        self._uncertain_gap: GapEvent | None = None
        """The gap that it was sent and did not report as written."""

    def run(self) -> None:
        """Return when everything that the worker sent is written, or cannot be written."""
        watch = Watch(self._file.path, self._file, wake=self._wake)
        try:
            self._keep_limits(0)  # Before the first record: the log may be full.
            while not self._ended:
                group = self._next_group()
                if not self._resolve_uncertain():
                    self._retry = group  # Outcomes are reported in the order of the records.
                elif group or self._gap or ((self._failing or self._file.is_suspect) and not self._ended):
                    self._commit(group)
                if not (self._failing or self._ended):
                    self._keep_limits(len(group))
            self._summarize_at_stop()
        finally:
            watch.stop()
            self._file.close()
            self._selector.close()
            os.close(self._woken)
            os.close(self._waker)

    def _next_group(self) -> list[PackedRecord]:
        # Sleeps until there is something to write, and takes everything that has arrived. While the log
        # cannot be written, it also wakes up without records, for a trial.
        group, self._retry = self._retry, []
        began = monotonic()
        if not (self._busy_wait.is_worthwhile and self._wait_busily(group, began + RECORD_WAIT_S)):
            self._receive_all(group, self._timeout_s())
        self._busy_wait.observe(len(group), monotonic() - began)
        if self._mode == "relaxed" and group and not self._failing:
            until = monotonic() + _GATHERING_S
            while not self._ended and (left := until - monotonic()) > 0:
                self._receive_all(group, left)
        return group

    def _receive_all(self, group: list[PackedRecord], timeout_s: float | None) -> None:
        while not self._ended:
            readable = [key.fileobj for key, _ in self._selector.select(timeout_s)]
            if self._woken in readable:
                os.read(self._woken, 64)
            if self._worker not in readable:
                return
            self._receive(group)
            timeout_s = 0  # Once more: what arrived meanwhile shares the commit.

    def _wait_busily(self, group: list[PackedRecord], until: float) -> bool:
        """Whether something arrived until then."""
        while monotonic() < until:
            if self._receive(group):
                return True
            os.sched_yield()
        return False

    def _receive(self, group: list[PackedRecord]) -> bool:
        """Whether something had arrived."""
        try:
            for message in self._reader.receive(MSG_DONTWAIT):
                self._on_message(group, *message)
        except BlockingIOError:
            return False
        except EOFError:
            self._ended = True
        return True

    def _on_message(self, group: list[PackedRecord], kind: str, gap: Any, *content: Any) -> None:
        event = gap and GapEvent(*gap)
        if kind == "records":
            self._gap = event or self._gap
            group += content[0]
        elif kind == "model":
            self._file.declare(Act._make(content[0]))
        else:  # The first message after another process ended.
            self._uncertain_gap = event
            self._uncertain, is_suspect = content
            self._failing = self._failing or is_suspect

    def _wake(self) -> None:
        os.write(self._waker, b"!")

    def _timeout_s(self) -> float | None:
        if self._failing or self._gap or self._uncertain or self._uncertain_gap:
            return _TRIAL_INTERVAL_S
        if self._over_limits:
            return _STEP_INTERVAL_S
        return _RETENTION_INTERVAL_S if self._file.limits else None

    def _resolve_uncertain(self) -> bool:
        """Whether the outcome of every record that another process was sent is known."""
        if not (self._uncertain or self._uncertain_gap):
            return True
        try:
            held, is_stated = self._file.find_records(self._uncertain, self._uncertain_gap)
        except Exception as error:
            self._report_failure(error, failing=True)  # It is tried again.
            return False
        self._send("found", held)
        if is_stated:
            self._report_gap(self._uncertain_gap)
        else:
            self._gap = self._uncertain_gap
        self._uncertain, self._uncertain_gap = [], None
        return True

    def _commit(self, group: list[PackedRecord]) -> None:
        gap = self._gap
        try:
            if group or gap:
                self._file.write(group, gap)
            else:
                self._file.try_write(self._probe)
        except Exception as error:
            is_record_error = isinstance(error, _RECORD_ERRORS)
            if is_record_error and len(group) > 1:  # One of them is wrong; the others are written without it.
                for record in group:
                    self._commit([record])
                return
            self._report_failure(error, failing=not is_record_error)
            self._give_up(group, error, again=not (is_record_error or self._ended))
        else:
            self._report_success()  # Before the outcome: a caller that got it finds the log writable.
            self._send("written", len(group))
            if gap:
                self._gap = None
                self._report_gap(gap)
            self._file.limit_wal()  # No caller waits for this.

    def _report_gap(self, gap: GapEvent | None) -> None:
        if gap is not None:
            self._send("stated", gap.gap_id)

    def _give_up(self, group: list[PackedRecord], error: Exception, *, again: bool) -> None:
        if group and again:
            self._probe = group[0]
        if again and self._mode == "relaxed":
            self._retry += group
        else:
            self._send("failed", len(group), _pickled(error))

    def _keep_limits(self, just_written: int) -> None:
        if not self._file.limits:
            return
        try:
            self._over_limits = self._file.prune_step(just_written)
            self._file.summarize_retention()
            self._report_retention()
        except Exception as error:
            # This does not decide whether the log counts as writable. The next record does.
            self._over_limits = False
            self._send(
                "log", logging.WARNING, f"the audit log {self._file.path} could not be pruned: {error}"
            )

    def _report_retention(self) -> None:
        now = self._file.retention
        if now != self._retention:
            for line in report_lines(self._file.path, self._retention, now):
                self._send("log", *line)
            self._retention = now
            self._send("retention", *now)

    def _summarize_at_stop(self) -> None:
        if self._file.limits and not self._failing:
            try:
                self._file.summarize_retention(at_stop=True)
            except Exception as error:  # The next writer states it.
                text = f"the ledger of {self._file.path} could not state what retention removed: {error}"
                self._send("log", logging.WARNING, text)

    def _report_failure(self, error: Exception, *, failing: bool) -> None:
        path = self._file.path
        if not failing:
            reason = "".join(traceback.format_exception(error)).rstrip()
            self._send("log", logging.ERROR, f"a record cannot be written to the audit log {path}\n{reason}")
            return
        if not self._failing:
            self._send("log", logging.ERROR, f"the audit log {path} cannot be written: {error}")
        self._failing = True
        self._send("failing", True)  # Each time: the worker takes a silent process for hung.

    def _report_success(self) -> None:
        self._probe = None
        if self._failing:
            self._failing = False
            self._send("log", logging.WARNING, f"the audit log {self._file.path} is written again")
            self._send("failing", False)

    def _send(self, *message: Any) -> None:
        with suppress(ConnectionError):  # The worker is gone; what it sent is written all the same.
            self._worker.sendall(frame(message))


def _pickled(error: Exception) -> bytes:
    try:
        return pickle.dumps(error)
    except Exception:  # An exception may hold a value that cannot be pickled.
        return pickle.dumps(RuntimeError(repr(error)))
