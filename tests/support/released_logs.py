"""Logs of a champion and a challenger, made without a server, and what they say of a release."""

import math
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np

from service.audit.act import SERVICE, make_act
from service.audit.columns import SHADOWED
from service.audit.file.shadow_row import SHADOW_ROUTE, ChampionAnswer, ShadowRow, shadow_bodies
from service.audit.utc_text import utc_text
from service.audit.write.logfile import LogFile
from service.audit.write.record import AuditRecord
from service.model.card import identity_of
from service.model.release.assignment import assigned_role
from service.model.release.release import Mode, Release
from service.monitoring.evidence.evidence_state import EvidenceState
from tests.support.collected_logs import CollectedLog
from tests.support.replayed_logs import START, RecordedModel

Row = Mapping[str, Any]


class ReleasedLog(CollectedLog):
    """A log of two models of one name."""

    def __init__(self, folder: Path, model: RecordedModel, rival: RecordedModel) -> None:
        super().__init__(folder, model, rival)
        self.rival = rival

    def anew(self) -> "ReleasedLog":
        """Another log of the same models, in a folder below."""
        return ReleasedLog(Path(mkdtemp(dir=self.log.parent)), self.model, self.rival)

    def release(self, mode: Mode, number: int = 1, **members: Any) -> Release:
        """A release of both models, or of the champion alone."""
        share = 0.4 if mode in ("canary", "ab") else 0.0
        return Release(
            release_id=f"{number:032x}",
            since_utc=START,
            champion=self.model.model.tag,
            challenger=None if mode == "single" else self.rival.model.tag,
            mode=mode,
            **{"share": share, "salt": f"salt {number}", **members},
        )

    def come_into_force(self, release: Release) -> None:
        """Have the log state that all workers serve a release."""
        detail: dict[str, object] = {
            "action": "in_force",
            "release": release.model_dump(mode="json"),
            "workers": 2,
        }
        with closing(LogFile(self.log)) as file, file.transaction() as (_, tail):
            tail.add_act(make_act("release", SERVICE, detail))

    def assigned(
        self, release: Release, rows: Sequence[Row] | Row, request_id: str, subject: str | None = None
    ) -> AuditRecord:
        """The record of a request that the release assigned to a model."""
        key = subject if subject is not None and release.key == "subject" else request_id
        role = assigned_role(release.salt, key, release.share)
        return self.answered_by(self.model if role == "champion" else self.rival, rows, request_id, subject)

    def answered_by(
        self,
        model: RecordedModel,
        rows: Sequence[Row] | Row,
        request_id: str,
        subject: str | None = None,
    ) -> AuditRecord:
        """The record of a request that one of the models answered."""
        record = self.predicted(rows, request_id)
        return replace(record, subject=subject, **identity_of(model.card)._asdict())

    def shadow(
        self, record: AuditRecord, release: Release, seed: int = 0, *, error: str | None = None
    ) -> AuditRecord:
        """The record of what a challenger says, at random, of a request that was written."""
        classes = self.model.model.contract.target.classes
        found = np.random.default_rng(seed).dirichlet(np.ones(len(classes)), record.rows)
        row = ShadowRow(
            release.release_id,
            ChampionAnswer(
                utc_text(record.received_utc),
                record.model_id,
                [label for label, _ in record.predictions],
                [confidence for _, confidence in record.predictions],
                0.7,
            ),
            self.rival.card.model_id,
            [] if error else [classes[best] for best in found.argmax(axis=1).tolist()],
            [] if error else found.tolist(),
            error,
        )
        request, response = shadow_bodies(row)
        return replace(
            record,
            route=SHADOW_ROUTE,
            status=int(SHADOWED),
            duration_ms=2.0 + seed,
            request=request,
            response=response,
            predictions=(),
            flags=seed,
            **identity_of(self.rival.card)._asdict(),
        )

    def evidence_state(self, release: Release, *, chunk_records: int = 2_000) -> EvidenceState:
        """What the evidence of a release is made from, after all of the log was read."""
        with self.collect(chunk_records=chunk_records) as store:
            state = store.evidence_state(release.release_id)
        assert state is not None
        return state


def plain(value: Any) -> Any:
    """An evidence state as lists and numbers that can be compared: NaN is None."""
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if hasattr(value, "_asdict"):
        return {name: plain(member) for name, member in value._asdict().items()}
    return [plain(member) for member in value] if isinstance(value, list | tuple) else value
