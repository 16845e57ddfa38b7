"""The nightly two-sample test, in a process that the collector starts once a day for the served model."""

import logging
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic

from pydantic import ValidationError

from service.collector.collecting import Collector
from service.monitoring.assessment import TwoSample
from service.system.module_process import start_module

LIMIT_S = 600.0
"""A process that runs longer is killed."""
INTERVAL_S = 10.0
"""How often the hour is looked at."""
_AGAIN = timedelta(hours=1)
"""After a test that had too few rows."""
_NONE = b"null"

_logger = logging.getLogger(__name__)


class NightlyTest:
    """The nightly test of the models of one log."""

    def __init__(self, log: Path, models: Path, hour: int, *, interval_s: float = INTERVAL_S) -> None:
        """Take the folder of the models, and the hour in UTC from which on the test of a day runs."""
        self._interval_s = interval_s
        self._log, self._models, self._hour = log.absolute(), models, hour
        self._tried: dict[str, datetime] = {}
        """When the last test of a model began, by model id."""
        self._model_id = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._next = self._until = 0.0

    @property
    def is_running(self) -> bool:
        """Whether a test runs."""
        return self._process is not None

    def refresh(self, collector: Collector) -> bool:
        """Start the test if it is due, and keep the result of one that ended; whether there is a new one."""
        if monotonic() < self._next:
            return False
        self._next = monotonic() + self._interval_s
        if self._process is not None:
            return self._take_result(collector, self._process)
        model = collector.store.served_model()
        if model is None or not model.has_sample:
            return False
        if self._is_due(model.model_id, collector.store.two_sample(model.model_id)):
            self.start(model.model_id)
        return False

    def start(self, model_id: str) -> None:
        """Start the test of a model."""
        self._tried[model_id] = datetime.now(UTC)
        self._model_id = model_id
        self._until = monotonic() + LIMIT_S
        arguments = str(self._log), str(self._models), model_id
        module = "service.collector.two_sample_process"
        self._process = start_module(module, *arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def _is_due(self, model_id: str, result: TwoSample | None) -> bool:
        now = datetime.now(UTC)
        begun = now.replace(hour=self._hour, minute=0, second=0, microsecond=0)
        if begun > now:
            begun -= timedelta(days=1)
        if result is not None and result.verdict == "insufficient":
            begun = max(begun, now - _AGAIN)  # A new model has rows enough before the next night.
        times = self._tried.get(model_id), None if result is None else result.finished_utc
        last = max(filter(None, times), default=None)
        return last is None or last < begun

    def _take_result(self, collector: Collector, process: subprocess.Popen[bytes]) -> bool:
        if process.poll() is None:
            if monotonic() > self._until:
                _logger.error("the nightly two-sample test took too long")
                process.kill()
            return False
        self._process = None
        output, _ = process.communicate()  # The result is shorter than the pipe.
        if process.returncode or output == _NONE:
            return False
        try:
            collector.save_two_sample(self._model_id, TwoSample.model_validate_json(output))
        except ValidationError:
            _logger.exception("the result of the nightly two-sample test cannot be read")
            return False
        return True
