"""Outcomes find their predictions by request id, whichever of them is read first.

What becomes of an outcome depends only on the log up to the position, not on the order or the portions in
which it was read: the newest outcome of a row counts, and a request id of two predictions is ambiguous.
"""

from collections.abc import Callable, Iterable, Sequence

from pydantic_core import from_json, to_json

from service.audit.columns import ANSWERED, OUTCOME
from service.audit.file.logged_record import LoggedRecord
from service.collector.log_records import AuditRecords, Chunk
from service.collector.matched_rows import FoundPrediction, MatchedRows
from service.collector.measured_models import MeasuredModel, MeasuredModels
from service.model.label import label_text
from service.monitoring.store.collector_store import CollectorStore, NewOutcome, PendingOutcome

_KINDS = ("truth", "decision")
_GROUP_RECORDS = 1_000
_GROUP_BYTES = 8 * 1024**2
"""Predictions whose rows are read together."""


class OutcomeMatching:
    """Matches the outcomes of one log."""

    def __init__(
        self,
        store: CollectorStore,
        log: AuditRecords,
        models: MeasuredModels,
        assigned_by: Callable[[LoggedRecord], str | None],
    ) -> None:
        """Take a function that gives the release which assigned a request to its model."""
        self._store = store
        self._log = log
        self._models = models
        self._assigned_by = assigned_by

    def apply(self, chunk: Chunk) -> Iterable[str]:
        """Match what a chunk has, within a transaction of the store; returns the request ids."""
        outcomes = [*_outcomes(chunk.records)]
        self._store.add_outcomes(outcomes)
        for request_id in chunk.redacted:
            self._read_again(request_id, chunk.upto_id)
        predicted = [record.request_id for record in chunk.records if record.status == ANSWERED]
        touched = dict.fromkeys(outcome.request_id for outcome in outcomes)
        touched |= dict.fromkeys(self._store.with_outcomes([*predicted, *chunk.redacted]))
        found: list[FoundPrediction] = []
        size = 0
        for request_id in touched:
            if (each := self._find(request_id, chunk.upto_id)) is not None:
                found.append(each)
                size += len(each.record.request) + len(each.record.response)
            if len(found) == _GROUP_RECORDS or size > _GROUP_BYTES:
                self._match(found)
                found, size = [], 0
        self._match(found)
        return touched

    def _read_again(self, request_id: str, upto_id: int) -> None:
        """Forget what is known by a request id of which something was redacted, and read what is left."""
        self._store.remove_outcomes(request_id)
        self._store.remove_rows(request_id)
        self._store.add_outcomes([*_outcomes(self._log.outcomes(request_id, upto_id))])

    def _find(self, request_id: str, upto_id: int) -> FoundPrediction | None:
        """The prediction of a request id whose rows are to be read; sets the states if there is none."""
        store = self._store
        if store.is_ambiguous(request_id):
            store.set_state(request_id, "ambiguous")
            return None
        records = self._log.answered(request_id, upto_id)
        if len(records) > 1:
            store.remove_rows(request_id)
            store.set_state(request_id, "ambiguous")
            return None
        pending = store.pending_outcomes(request_id)
        if not records:
            self._match_pruned(request_id, pending)
        elif not records[0].has_content:
            store.set_state(request_id, "redacted")
        elif self._models.get(records[0].model_id) is None:
            store.set_state(request_id, "not_measured")
        elif pending:
            return FoundPrediction(records[0], pending)
        return None

    def _match_pruned(self, request_id: str, pending: Sequence[PendingOutcome]) -> None:
        """Match with rows whose prediction the log has no more."""
        store = self._store
        for outcome in pending:
            state = "waiting"
            if (known := store.known_row(request_id, outcome.row)) is not None:
                prediction, model_id, received_s = known
                place = self._place(model_id, outcome)
                state = "matched" if place is not None else "not_a_class"
                if outcome.kind == "truth":
                    delay_s = max(0.0, outcome.first_s - received_s)
                    store.set_truths([(place, None, delay_s, prediction, outcome.row)])
                else:
                    store.set_decisions([(place, prediction, outcome.row)])
            store.set_states(state, [(request_id, outcome.row, outcome.kind)])
        store.remove_unknown_rows(request_id)

    def _place(self, model_id: str, outcome: PendingOutcome) -> int | None:
        classes, label = self._store.model(model_id).classes, from_json(outcome.label_json)
        text = label_text(label) if isinstance(label, str | int) else None
        return classes.index(text) if text in classes else None

    def _match(self, found: Sequence[FoundPrediction]) -> None:
        by_model: dict[str, list[FoundPrediction]] = {}
        for each in found:
            by_model.setdefault(each.record.model_id, []).append(each)
        for model_id, of_model in by_model.items():
            model = self._models.get(model_id)
            assert model is not None  # noqa: S101 - only those of measured models were found
            self._match_with(model, of_model)

    def _match_with(self, model: MeasuredModel, found: Sequence[FoundPrediction]) -> None:
        try:
            matched = MatchedRows(model, found, self._assigned_by)
        except Exception:
            # Whatever is wrong with one prediction must not keep the others from being matched.
            if len(found) == 1:
                self._store.set_state(found[0].record.request_id, "unreadable")
                return
            for each in found:
                self._match_with(model, [each])
        else:
            matched.write(self._store)


def _outcomes(records: Iterable[LoggedRecord]) -> Iterable[NewOutcome]:
    for record in records:
        if record.status != OUTCOME or not record.has_content:
            continue
        try:
            outcome = from_json(record.request)
            row, kind, label = outcome["row"], outcome["kind"], outcome["label"]
        except (ValueError, TypeError, LookupError):
            continue
        if type(row) is int and row >= 0 and kind in _KINDS:
            moment_s = record.received_s
            text = to_json(label).decode()
            yield NewOutcome(record.request_id, row, kind, record.id, text, moment_s, moment_s)
