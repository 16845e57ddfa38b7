"""What the supervising process does before there are workers: find out whether they can serve, and where.

What cannot be ends the start here, with a sentence; what is found out goes to the workers by the environment.
"""

import logging
import os
from socket import socket

from service.access.keyring import read_keys
from service.audit.write.logfile import LogFile
from service.errors import SettingInvalid
from service.grpc.listening import check_certificate, claim
from service.settings import PREFIX, Settings, load_settings
from service.telemetry.metrics import make_folder
from service.worker import bentoml_internals
from service.worker.address import hold_http, warn_if_anybody_can_ask
from service.worker.circus_internals import keep_out_newcomers_after
from service.worker.kills import leave_kill
from service.worker.supervision import Supervisor

logger = logging.getLogger(__name__)

_held: list[socket] = []
"""The port of gRPC, as long as this process lives."""


def workers_wanted(settings: Settings) -> int:
    """How many workers there are to be: the command's ``--api-workers``, else the setting.

    Raises SettingInvalid.
    """
    number = bentoml_internals.api_workers()
    if number is None:
        return settings.workers
    if number < 1:
        raise SettingInvalid("--api-workers", number, "it is a number of processes, at least 1")
    return number


def prepare_service(settings: Settings) -> None:
    """Make what the workers share, and begin to supervise; raises StartError if they could not serve."""
    serving = bentoml_internals.serving()
    if serving is not None:
        _tell_workers_their_number(settings, serving.workers)
        with hold_http(serving.host, serving.port):
            grpc_host = _claim_grpc(settings, serving.host)
    else:
        grpc_host = _claim_grpc(settings, "127.0.0.1")
    LogFile(settings.audit_db).close()
    if settings.api_keys_file is not None:
        read_keys(settings.api_keys_file)
    warn_if_anybody_can_ask(settings, serving and serving.host, grpc_host)
    bentoml_internals.bind_with_a_sentence()
    bentoml_internals.replace_dead_workers()
    keep_out_newcomers_after(settings.drain_seconds)
    Supervisor(leave_kill).begin()
    make_folder()
    # Workers are what uses more cores. Threads within a call of the model cost more than they bring for rows
    # as few as come together here, and OpenMP's spin against those of the other workers.
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def _claim_grpc(settings: Settings, http_host: str) -> str:
    host = settings.grpc_host or http_host
    if settings.grpc_port:
        check_certificate(settings)
        _held.append(claim(settings, host))
        os.environ[f"{PREFIX}GRPC_HOST"] = host
    return host


def _tell_workers_their_number(settings: Settings, number: int) -> None:
    """Have the workers count on as many as BentoML starts, which its configuration can change."""
    wanted = workers_wanted(settings)
    was_asked_for = "workers" in settings.model_fields_set or bentoml_internals.api_workers() is not None
    os.environ[f"{PREFIX}WORKERS"] = str(number)
    load_settings()  # It may be no number that a setting can have.
    if number != wanted and was_asked_for:
        logger.warning(
            "%d workers are started, as BentoML's configuration says of this service, and not %d, as "
            "%sWORKERS or --api-workers does.",
            number,
            wanted,
            PREFIX,
        )
