"""The handlers of all native routes except predictions: documentation, health, model, history, metrics."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from service.audit.act import key_actor
from service.audit.query.history import HistoryFilters
from service.audit.query.history_pages import HistoryPages
from service.audit.query.read_acts import read_act
from service.audit.receipt.making import ReceiptQuery, ReceiptRequest
from service.audit.write.audit_log import AuditLog
from service.errors import Finding, QueryInvalid, RouteUnknown
from service.http import assets
from service.http.http_request import JSON, Handler, HttpRequest, Reply
from service.http.monitoring_page import MonitoringPage
from service.http.openapi import document as openapi_document
from service.http.openapi.operations import Document
from service.inference.readiness import WorkerReadiness
from service.inference.served_models import LoadedModel, ServedModels
from service.model.contract_view import view_of
from service.model.newer_model import NewerModels
from service.model.release.release_state import ReleaseState
from service.native.messages import Health, Messages, ModelInfo
from service.native.release_view import release_health, release_view
from service.telemetry.metrics import CONTENT_TYPE
from service.telemetry.metrics_page import MetricsPage

QueryT = TypeVar("QueryT", bound=BaseModel)

_TEXT = b"text/plain; charset=utf-8"


class Pages:
    """The handlers of one worker."""

    def __init__(
        self,
        models: ServedModels,
        messages: Messages,
        audit: AuditLog,
        history: HistoryPages,
        metrics: MetricsPage,
        readiness: WorkerReadiness,
        newer_models: NewerModels,
        monitoring: MonitoringPage,
        release_state: Callable[[], ReleaseState],
        *,
        requires_keys: bool,
        schema: Callable[[], Mapping[str, object]],
    ) -> None:
        """Take the parts of a worker that has started, and the function that describes BentoML's API."""
        self._models = models
        self._release_state = release_state
        self._messages = messages
        self._audit = audit
        self._history_pages = history
        self._metrics_page = metrics
        self._readiness = readiness
        self._newer_models = newer_models
        self._monitoring = monitoring
        self._requires_keys = requires_keys
        self._schema = schema
        self.handlers = self._handlers()
        """The handlers by their names in the table of routes."""

    def _handlers(self) -> Mapping[str, Handler]:
        return {
            "index": self._index,
            "docs": self._docs,
            "openapi": self._openapi,
            "asset": self._asset,
            "favicon": self._favicon,
            "schema": self._bentoml_schema,
            "health": self._health,
            "live": self._live,
            "ready": self._ready,
            "model_info": self._model_info,
            "history": self._history,
            "receipt": self._receipt,
            "metrics": self._metrics,
            **self._monitoring.handlers,
        }

    @cached_property
    def _document(self) -> Document:
        # The models of a service have one name.
        title = self._champion.tag.partition(":")[0]
        return openapi_document.document(self._messages, title=title, with_keys=self._requires_keys)

    @cached_property
    def _document_json(self) -> bytes:
        return to_json(self._document)

    @property
    def _champion(self) -> LoadedModel:
        return self._models.current.champion

    async def _index(self, request: HttpRequest) -> Reply:
        # The answer depends on Accept: without Vary, a browser would use its cached page as the JSON.
        vary = (b"vary", b"accept")
        if b"text/html" in request.headers.get(b"accept", b""):
            page = assets.page("index.html")
            return page._replace(headers=[vary, *page.headers])
        routes = openapi_document.summaries(self._document)
        content = to_json({"model": self._champion.tag, "routes": routes})
        return Reply(200, content, JSON, [vary, (b"cache-control", b"no-cache")])

    async def _docs(self, _: HttpRequest) -> Reply:
        return assets.page("docs.html")

    async def _openapi(self, _: HttpRequest) -> Reply:
        return Reply(200, self._document_json)

    async def _asset(self, request: HttpRequest) -> Reply:
        return self._file(request.match.parameters["asset"], request.path)

    async def _favicon(self, request: HttpRequest) -> Reply:
        return self._file(assets.FAVICON, request.path)

    def _file(self, name: str, path: str) -> Reply:
        reply = assets.asset(name)
        if reply is None:
            raise RouteUnknown(path)
        return reply

    async def _bentoml_schema(self, _: HttpRequest) -> Reply:
        return Reply(200, to_json(self._schema()))

    async def _live(self, _: HttpRequest) -> Reply:
        return Reply(200, b"\n", _TEXT)

    async def _ready(self, _: HttpRequest) -> Reply:
        return Reply(200, b"\n", _TEXT) if self._readiness.is_ready else Reply(503, b"not ready\n", _TEXT)

    async def _health(self, _: HttpRequest) -> Reply:
        serving, audit, readiness = self._models.current, self._audit, self._readiness
        model = serving.champion.model
        is_ok = audit.writable and not (audit.mode == "relaxed" and audit.dropped)
        newer = self._newer_models.found
        status = "ok" if is_ok else "degraded" if readiness.is_ready else "failing"
        state = Health(
            status="draining" if readiness.is_draining else status,
            model=model.tag,
            model_name=model.lineage.model_name,
            model_version=model.lineage.model_version,
            model_id=serving.champion.identity.model_id,
            release=release_health(serving, self._release_state()),
            runtime=model.predictor.name,
            audit_mode=audit.mode,
            audit_writable=audit.writable,
            audit_dropped=audit.dropped,
            uptime_s=round(readiness.uptime_s, 3),
            monitoring=self._monitoring.state,
            newer_model=None if newer is None else newer.tag,
            newer_model_is_champion=None if newer is None else newer.is_champion,
        )
        content = state.model_dump_json(exclude_none=True)
        return Reply(200 if readiness.is_ready else 503, content.encode())

    async def _model_info(self, _: HttpRequest) -> Reply:
        serving = self._models.current
        model, card = serving.champion.model, serving.champion.card
        return _json(
            ModelInfo(
                tag=model.tag,
                model_name=model.lineage.model_name,
                model_version=model.lineage.model_version,
                model_id=card.model_id,
                card=card,
                release=release_view(serving),
                classes=list(model.contract.target.classes),
                contract=view_of(model.contract),
                lineage=model.lineage,
                runtime=model.predictor.name,
                max_batch_rows=self._messages.max_batch_rows,
                has_profile=model.profile is not None,
            )
        )

    async def _history(self, request: HttpRequest) -> Reply:
        filters = _query(request, HistoryFilters)
        page = await self._history_pages.page(filters)
        await self._state_read(request, filters.model_dump(mode="json", exclude_unset=True), page.ids)
        return Reply(200, page.content)

    async def _receipt(self, request: HttpRequest) -> Reply:
        request_id = request.match.parameters["request_id"]
        query = _query(request, ReceiptQuery)
        wanted = ReceiptRequest(request_id, query, self._history_pages.checkpoint_s)
        receipt = await self._history_pages.page(wanted)
        filters = {"request_id": request_id, **query.model_dump(mode="json", exclude_unset=True)}
        await self._state_read(request, filters, receipt.ids)
        return Reply(200, receipt.content)

    async def _state_read(
        self, request: HttpRequest, filters: Mapping[str, object], ids: Iterable[int]
    ) -> None:
        """State in the ledger what is shown; nothing is shown that it does not state."""
        act = read_act(
            key_actor(request.key.name if request.key else None),
            of=request.route,
            filters=filters,
            ids=ids,
            request_id=request.request_id,
        )
        await self._audit.append_act(act, request.started + self._history_pages.deadline_s)

    async def _metrics(self, _: HttpRequest) -> Reply:
        return Reply(200, await self._metrics_page.get(), CONTENT_TYPE.encode())


def _json(content: BaseModel) -> Reply:
    return Reply(200, content.model_dump_json().encode())


def _query(request: HttpRequest, type_: type[QueryT]) -> QueryT:
    """The parameters of the query; raises QueryInvalid."""
    query = parse_qsl(request.query.decode("latin-1"), keep_blank_values=True)
    twice = [name for name, count in Counter(name for name, _ in query).items() if count > 1]
    if twice:
        raise QueryInvalid([Finding((name,), "Given more than once") for name in twice])
    try:
        return type_.model_validate(dict(query))
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
        raise QueryInvalid([Finding(detail["loc"], detail["msg"]) for detail in details]) from error
