"""The handler of ``/monitoring``: the newest assessment of the served model."""

from collections.abc import Mapping

from service.errors import AssessmentMissing
from service.http.http_request import Handler, HttpRequest, Reply
from service.monitoring.assessment_watch import AssessmentWatch, MonitoringState


class MonitoringPage:
    """What HTTP shows of monitoring. It sends what the watch holds, so an answer reads nothing."""

    def __init__(self, watch: AssessmentWatch | None) -> None:
        """Take the watch of a worker; None if monitoring is off."""
        self._watch = watch
        self.handlers: Mapping[str, Handler] = {"monitoring": self._monitoring}

    @property
    def state(self) -> MonitoringState:
        """The member of ``/health``."""
        return "off" if self._watch is None else self._watch.state

    async def _monitoring(self, _: HttpRequest) -> Reply:
        if self._watch is None:
            raise AssessmentMissing(is_off=True)
        if (found := self._watch.found) is None:
            raise AssessmentMissing(is_off=False)
        return Reply(200, found.content, headers=[(b"cache-control", b"no-cache")])
