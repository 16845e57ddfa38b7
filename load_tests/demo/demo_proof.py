"""What the log says after the demo: the timeline of its acts, and whether every answer is in it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from load_tests.demo.visitors import Answered
from service.audit.columns import ANSWERED
from service.audit.file.database import errors_as_unusable, open_for_reading
from service.audit.query.acts import LoggedAct, logged_acts

_RECORDS = f"SELECT request_id, model_id FROM request WHERE status = {ANSWERED}"  # noqa: S608
_SHOWN = ("model", "release", "start")


class Proof(NamedTuple):
    """Requests sent, answered and recorded."""

    sent: int
    answered: int
    recorded: int
    under_another_model: int
    """Answers whose record names another model than the answer."""
    unrecorded: int
    failures: Counter[str]

    @property
    def holds(self) -> bool:
        """Whether nothing was lost, failed or misattributed."""
        is_complete = self.sent == self.answered == self.recorded
        return is_complete and not (self.under_another_model or self.unrecorded or self.failures)

    def __str__(self) -> str:
        return (
            f"{self.sent:,} requests sent, {self.answered:,} answered, {self.recorded:,} recorded; "
            f"{self.under_another_model} under another model, {self.unrecorded} not recorded, "
            f"{self.failures.total()} failed{f' {dict(self.failures)}' if self.failures else ''}"
        )


def prove(log: Path, sent: int, answered: Sequence[Answered], failures: Counter[str]) -> Proof:
    """Compare every answer with its record."""
    with closing(open_for_reading(log)) as connection, errors_as_unusable(log):
        found: list[Any] = connection.execute(_RECORDS).fetchall()
    records: dict[str, str] = dict(found)
    return Proof(
        sent,
        len(answered),
        len(records),
        sum(records.get(each.request_id, each.model_id) != each.model_id for each in answered),
        sum(each.request_id not in records for each in answered),
        failures,
    )


def timeline(log: Path) -> Iterator[str]:
    """The acts that tell the story, a line each."""
    # An act is made before it is committed, and may come after acts that were made later.
    acts = sorted((act for act in logged_acts(log) if act.kind in _SHOWN), key=lambda act: act.recorded_utc)
    for act in acts:
        seconds = (act.recorded_utc - acts[0].recorded_utc).total_seconds()
        yield f"{seconds:6.1f} s  {act.actor:<10} {_told(act)}"


def _told(act: LoggedAct) -> str:
    detail = act.detail
    if act.kind == "model":
        return f"the model {detail['tag']} enters the log"
    if act.kind == "start":
        return f"a worker starts with {detail['model']}"
    release = detail["release"]
    assert isinstance(release, dict)  # noqa: S101 - of this version's format
    challenger = f" beside {release['challenger']}" if release.get("challenger") else ""
    share = f" with {release['share']:.0%}" if release.get("share") else ""
    served = f"{release['mode']}: {release['champion']}{challenger}{share}"
    return f"{detail['action']}: {served}{f' ({act.reason})' if act.reason else ''}"
