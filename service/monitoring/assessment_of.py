"""The assessment that the commands show: the newest one, or one of a period."""

from datetime import UTC, datetime
from pathlib import Path

import apsw

from service.errors import MonitoringUnusable
from service.monitoring.assess import assess
from service.monitoring.assessment import Assessment
from service.monitoring.model_state import Period, WindowOptions
from service.monitoring.store.monitoring_store import MonitoringStore
from service.monitoring.store.newest_assessment import read_assessment


def assessment_of(
    path: Path, *, model: str | None = None, since: datetime | None = None, until: datetime | None = None
) -> Assessment:
    """The assessment in the file of monitoring; raises MonitoringUnusable if there is none.

    ``model`` is the id, the name or the tag of a model. An assessment of a period has windows as the newest
    one has, from the period alone.
    """
    if not path.exists():
        raise MonitoringUnusable(path, "there is no such file")
    if (newest := read_assessment(path, model)) is None:
        of = "" if model is None else f" of the model {model!r}"
        raise MonitoringUnusable(path, f"it has no assessment{of} that this version can read")
    if since is None and until is None:
        return newest
    try:
        with MonitoringStore.open(path) as store:
            state = store.state(newest.model_id)
    except apsw.Error as error:
        raise MonitoringUnusable(path, str(error)) from error
    options = WindowOptions(newest.window_s, newest.window_rows, newest.label_hours)
    return assess(state, options, datetime.now(UTC), Period(since, until))
