"""Recorded requests become rows by one model's contract, or findings about what breaks it.

Nearly all records are of single rows of the native API. They were valid JSON when they were served, so the
bodies of many are validated together, as one array. Where one of them is refused, the array is halved until
the record is found, which is then read alone, as the service reads it.
"""

from collections.abc import Sequence
from typing import NamedTuple

from lifecycle.replay.reading.candidate_model import AnyNames
from service.audit.file.kept_body import body_bytes
from service.audit.file.logged_record import LoggedRecord
from service.errors import Finding, RequestError
from service.inference.row_check import RowCheck
from service.model.contract import Contract, Values
from service.replay.recorded_request import RequestReader, RouteNotReplayable
from service.routes import PREDICT

_MOST_ROWS = 2**31
"""The limit of a batch when it was served is not known here."""
_FEW_RECORDS = 4
"""So many records are read singly rather than halved again."""
_MOST_TOGETHER = 1_000
_COST_TOGETHER = 90_000
"""Members times features of an array, above which RowCheck does not read it at once."""


class BrokenRecord(NamedTuple):
    """A record that the contract refuses."""

    record: LoggedRecord
    findings: tuple[tuple[str, str], ...]
    """The feature, or the member of the message, and what is wrong."""


class ReadRecord(NamedTuple):
    """A record with its rows."""

    record: LoggedRecord
    rows: Sequence[Values]


class ReadRecords(NamedTuple):
    """Some records, as far as they could be read."""

    read: list[ReadRecord]
    broken: list[BrokenRecord]
    unreadable: int


class RecordReading:
    """Reads records by one contract."""

    def __init__(self, contract: Contract) -> None:
        self._reader = RequestReader(contract, AnyNames(), _MOST_ROWS)
        self._check = RowCheck(contract)
        self._names = [feature.name for feature in contract.features]
        self._together = min(_MOST_TOGETHER, _COST_TOGETHER // len(self._names) ** 2)

    def read(self, records: Sequence[LoggedRecord]) -> ReadRecords:
        """The rows of the records, in their order within each of the results."""
        found = ReadRecords([], [], 0)
        start = 0
        while start < len(records):
            end = start
            while end < len(records) and is_single(records[end]) and end - start < self._together:
                end += 1
            if end - start > _FEW_RECORDS:
                found = self._read_singles(records[start:end], found)
            else:
                end = max(end, start + 1)
                for record in records[start:end]:
                    found = self._read_one(record, found)
            start = end
        return found

    def _read_singles(self, records: Sequence[LoggedRecord], found: ReadRecords) -> ReadRecords:
        """Records of single rows, which follow each other."""
        if len(records) <= _FEW_RECORDS:
            for record in records:
                found = self._read_one(record, found)
            return found
        text = b"[%b]" % b",".join(body_bytes(record.request) for record in records)
        rows = self._check.rows_of_json(text)
        if rows is not None and len(rows) == len(records):
            found.read.extend(ReadRecord(record, (row,)) for record, row in zip(records, rows, strict=True))
            return found
        middle = len(records) // 2
        return self._read_singles(records[middle:], self._read_singles(records[:middle], found))

    def _read_one(self, record: LoggedRecord, found: ReadRecords) -> ReadRecords:
        try:
            rows = self._reader.rows(record.transport, record.route, record.request)
        except RequestError as error:
            found.broken.append(BrokenRecord(record, self._named(error)))
        except RouteNotReplayable:
            return found._replace(unreadable=found.unreadable + 1)
        else:
            if len(rows) != record.rows:
                return found._replace(unreadable=found.unreadable + 1)
            found.read.append(ReadRecord(record, rows))
        return found

    def _named(self, error: RequestError) -> tuple[tuple[str, str], ...]:
        found = dict.fromkeys((self._feature_of(finding), finding.msg) for finding in error.findings)
        return tuple(found) or (("", str(error)),)

    def _feature_of(self, finding: Finding) -> str:
        """The feature that a finding is about; else the last name of its location."""
        names = [part for part in finding.loc if isinstance(part, str)]
        return next((name for name in reversed(names) if name in self._names), names[-1] if names else "")


def is_single(record: LoggedRecord) -> bool:
    """Whether it is a row of the native API."""
    return record.route == PREDICT and record.transport != "grpc"
