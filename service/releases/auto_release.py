"""Changes of the release that need nobody: the process that reads the log makes them, by the evidence.

Going back is done by itself unless it is switched off; going forward only if it is switched on. A change is
made once, from fresh evidence on the release that the workers serve and that is wanted: so never while a
change is undecided, or was refused.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from service.audit.act import SERVICE
from service.errors import StartError
from service.model.release.release import Release
from service.monitoring.evidence.evidence import Action, Evidence
from service.monitoring.evidence.evidence_text import evidence_brief
from service.releases.made_change import make_change
from service.releases.next_release import promoted, rolled_back, stopped
from service.releases.present_release import present_release
from service.releases.release_acts import Change
from service.settings import Settings

LARGEST_AGE = timedelta(minutes=1)
"""Of the evidence, and of the reading of the log up to its end: older evidence decides nothing."""
_RETRY_AFTER = timedelta(minutes=5)
"""After a change that could not be made."""

_logger = logging.getLogger(__name__)


class _Step(NamedTuple):
    change: Change
    next_release: Callable[[Release], Release]


_BACK: Mapping[Action, _Step] = {
    "roll_back": _Step("rollback", rolled_back),
    "freeze": _Step("rollback", rolled_back),
    "end_fallback": _Step("stop", stopped),
}
_STEPS: Mapping[str, Mapping[Action, _Step]] = {
    "off": {},
    "rollback": _BACK,
    "full": {**_BACK, "promote": _Step("promote", promoted)},
}


class AutoRelease:
    """Makes the changes of one service. It belongs to the one process that reads the log."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._steps = dict(_STEPS[settings.releases_auto])
        if settings.releases_two_persons:
            self._steps.pop("promote", None)  # It takes a person, who did not publish the model.
        self._changed: set[str] = set()
        """Ids of the releases that were changed."""
        self._retry_utc = datetime.min.replace(tzinfo=UTC)

    def consider(self, evidence: Evidence, read_utc: datetime) -> None:
        """Make the change that the evidence recommends, if it may be made.

        ``read_utc`` is when all of the log had been read. An error is logged, and ends nothing.
        """
        step, now = self._steps.get(evidence.action), datetime.now(UTC)
        release_id = evidence.release.release_id
        if step is None or release_id in self._changed or now < self._retry_utc:
            return
        if now - min(evidence.assessed_utc, read_utc) > LARGEST_AGE:
            return
        try:
            self._make(step, evidence)
        except (StartError, OSError) as error:
            self._retry_utc = now + _RETRY_AFTER
            _logger.error("the release %s could not be changed: %s", release_id, error)
        except Exception:
            self._retry_utc = now + _RETRY_AFTER
            _logger.exception("the release %s could not be changed", release_id)

    def _make(self, step: _Step, evidence: Evidence) -> None:
        release = evidence.release
        present = present_release(self._settings, release.name)
        if not present.is_in_force or present.base.release_id != release.release_id:
            return  # Evidence on a release that is over, or a change is undecided.
        reason = _reason(evidence)
        make_change(
            present,
            step.change,
            step.next_release(release),
            SERVICE,
            reason,
            evidence=evidence_brief(evidence),
        )
        self._changed.add(release.release_id)
        _logger.warning("the release was changed automatically: %s. %s", step.change, reason)


def _reason(evidence: Evidence) -> str:
    """The reasons of the evidence, as long as a release has room for."""
    text = " ".join(evidence.reasons) or f"The evidence recommends: {evidence.action}."
    limit = Release.model_fields["reason"].metadata[0].max_length
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
