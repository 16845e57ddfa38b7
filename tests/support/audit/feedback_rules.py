"""Outcomes in the generated histories of a log."""

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from service.audit.write.logfile import LogFile
from service.audit.write.record import pack
from tests.support.audit.log_states import Recorded, State, received_at
from tests.support.audit.logs import NINE
from tests.support.audit.outcomes import decision_on, outcome_of

HOUR = timedelta(hours=1)


class FeedbackRules(RuleBasedStateMachine):
    """What a history of a log can have beside its predictions."""

    file: LogFile
    state: State
    count: int

    def requests_of(self, request_id: str) -> list[Recorded]:
        """The records with this request id that are not of outcomes."""
        return [one for one in self.state.records if one.request_id == request_id and one.about is None]

    @rule(
        about=st.integers(0, 12),
        row=st.integers(0, 1),
        label=st.sampled_from(["setosa", "virginica"]),
        makes=st.sampled_from([outcome_of, decision_on]),
        names_the_person=st.booleans(),
    )
    def feed_back(self, about: int, row: int, label: str, makes: Any, names_the_person: bool) -> None:
        """An outcome of a request of the log, of one to come, or of one that was removed."""
        subject = "ab12" if names_the_person else None
        each = Recorded(self.count, "", subject, received_at(self.count, HOUR), about=about)
        minutes = (each.received - NINE).total_seconds() / 60
        self.file.write([pack(makes(each.request_id, label, row=row, subject=subject, minutes=minutes))])
        self.state.records.append(each)
        self.count += 1
