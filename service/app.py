"""The Bento service and composition root: it constructs the parts and passes them to the transports.

Every process that supervises, builds or serves the bento imports this module. On import it reads the served
model's contract, from which the types of the API are made; it opens and writes no other file.
"""

from typing import TYPE_CHECKING, TypeAlias

import bentoml
from bentoml.models import BentoModel
from pydantic import BaseModel, Field

from service.errors import FAILURE_STATUSES
from service.http.connection.fast_connection import install_connection
from service.http.cors import with_cors
from service.http.feedback import FeedbackRoute
from service.http.gateway import Gateway, Serving
from service.http.monitoring_page import MonitoringPage
from service.http.native_codec import native_handlers
from service.http.pages import Pages
from service.http.v2 import V2Routes
from service.model.published import resolve_tag
from service.native.messages import Messages
from service.native.python_call import PythonRoute
from service.oip.served_model import ServedModel
from service.routes import BATCH, FEEDBACK, GRPC_INFER, PREDICT, V2_INFER
from service.settings import load_settings
from service.worker import Worker
from service.worker.announcement import announce
from service.worker.api_contract import api_contract
from service.worker.bentoml_internals import (
    set_model,
    silence_notices,
    start_errors_as_messages,
    wrap_application,
)
from service.worker.heartbeat import end_service_on_error
from service.worker.preparation import prepare_service, workers_wanted


class Arguments(BaseModel):
    """The Bento arguments, ``--arg NAME=VALUE``; a built bento keeps them."""

    model: str = Field(default="iris_classifier", description="The BentoML model: NAME or NAME:VERSION")


silence_notices()
with start_errors_as_messages(), end_service_on_error():
    settings = load_settings()
    tag = resolve_tag(bentoml.use_arguments(Arguments).model)
    # The version is pinned: a built bento, and a worker that starts later, serve this model even if another
    # has been published since.
    set_model(tag)
    messages = Messages(api_contract(tag), settings.max_batch_rows)
    workers = workers_wanted(settings)
worker = Worker(settings, tag, messages.contract)
_rows, _batches = (PythonRoute(messages, route, lambda: worker.dataplane) for route in (PREDICT, BATCH))

if TYPE_CHECKING:
    from service.grpc.server import GrpcServer
    from service.model.contract import Row as RowBody
    from service.model.label import Label
    from service.native.messages import Answer, Batch

    BatchBody: TypeAlias = Batch[RowBody]
    AnswerBody: TypeAlias = Answer[Label]
else:
    RowBody, BatchBody, AnswerBody = messages.row_type, messages.batch_type, messages.answer_type


@bentoml.service(
    name=tag.partition(":")[0],
    workers=workers,
    # The service has its own metrics and access log. BentoML does not see the gateway's answers, and labels
    # metrics by raw path, so that clients could create labels.
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
)
class TabularClassifier:
    """Predicts the class of rows of a table."""

    model = BentoModel(tag)
    grpc: "GrpcServer | None" = None

    @bentoml.on_deployment
    @staticmethod
    def prepare() -> None:
        """Create what the workers share, before they start; raises if the service cannot start."""
        with start_errors_as_messages():
            prepare_service(settings, tag)

    @bentoml.on_startup
    async def start(self) -> None:
        """Load the model, open the audit log, and listen for gRPC."""
        with end_service_on_error():
            worker.start()
            worker.metrics.create_series((PREDICT, BATCH, V2_INFER, FEEDBACK), FAILURE_STATUSES)
            if settings.grpc_port:
                worker.metrics.create_series((GRPC_INFER,), FAILURE_STATUSES)
                # Imported here because the import takes a quarter of a second.
                from service.grpc.server import GrpcServer

                self.grpc = await GrpcServer.start(
                    worker.dataplane,
                    worker.readiness,
                    ServedModel(worker.models, messages.contract),
                    settings,
                    longest_message_bytes=messages.longest_message_bytes,
                )
        announce(worker)

    @bentoml.on_shutdown
    async def stop(self) -> None:
        """Finish the requests in progress."""
        if self.grpc is not None:
            await self.grpc.stop()
        await worker.stop()

    @bentoml.api(route=PREDICT)
    async def predict(self, row: RowBody, /) -> AnswerBody:
        """Predict one row."""
        return await _rows.predict(row, [row])

    @bentoml.api(route=BATCH)
    async def predict_batch(self, batch: BatchBody, /) -> AnswerBody:
        """Predict a batch of rows, in order."""
        return await _batches.predict(batch, batch.instances)


def http() -> Serving:
    """The parts that HTTP uses of a worker that has started."""
    dataplane, readiness = worker.dataplane, worker.readiness
    limit_bytes = settings.body_limit_bytes
    pages = Pages(
        worker.models,
        messages,
        worker.audit,
        worker.history,
        worker.metrics_page,
        readiness,
        worker.newer_models,
        MonitoringPage(worker.monitoring),
        lambda: worker.releases.state,
        requires_keys=settings.api_keys_file is not None,
        schema=TabularClassifier.schema,  # type: ignore[attr-defined]
    )
    v2 = V2Routes(dataplane, messages, ServedModel(worker.models, messages.contract), readiness, limit_bytes)
    native = native_handlers(dataplane, messages, limit_bytes)
    feedback = FeedbackRoute(
        dataplane,
        worker.audit,
        worker.history,
        worker.metrics,
        messages.contract.target,
        body_limit_bytes=limit_bytes,
        deadline_ms=settings.deadline_ms,
    )
    own = {"feedback": feedback.feedback}
    return Serving(dataplane, readiness, {**native, **own, **v2.handlers, **pages.handlers})


install_connection(settings)
wrap_application(TabularClassifier, lambda app: with_cors(Gateway(app, http), settings.cors_origins))
