"""What monitoring knows of a release."""

from service.monitoring.evidence.evidence import Evidence
from service.monitoring.store.newest_evidence import read_evidence
from service.settings import Settings


def known_evidence(settings: Settings, release_id: str) -> Evidence | None:
    """The newest evidence of a release; None if there is none yet, or it cannot be read."""
    return read_evidence(settings.monitoring_path, release_id)
