"""The pages beside the prediction routes: what is served, how it is, what it answered."""

import asyncio
import logging
from collections import Counter
from pathlib import Path

from anyio import to_thread
from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from service.audit.history import HistoryFilters
from service.errors import AuditUnusable, Finding, InternalFailure, QueryInvalid, RequestError
from service.http import openapi, paths
from service.http.exchange import REQUEST_ID
from service.http.problem import MEDIA_TYPE, problem_json
from service.messages import Health, Messages, ModelInfo
from service.metrics import CONTENT_TYPE
from service.worker import TALLY_INTERVAL_S, Worker

_HERE = Path(__file__).parent

_logger = logging.getLogger(__name__)


def make_pages(worker: Worker, messages: Messages) -> Starlette:
    """The ASGI application of all routes but the prediction routes and BentoML's own."""
    document = openapi.document(messages, title=worker.tag.partition(":")[0])

    async def index(request: Request) -> Response:
        # One address, two answers: without this a browser takes the page from its cache for the JSON.
        headers = {"vary": "accept", "cache-control": "no-cache"}
        if "text/html" in request.headers.get("accept", ""):
            return FileResponse(_HERE / "index.html", headers=headers)
        return JSONResponse({"model": worker.tag, "routes": openapi.summaries(document)}, headers=headers)

    async def docs(_: Request) -> Response:
        return FileResponse(_HERE / "docs.html")

    async def docs_json(_: Request) -> Response:
        return JSONResponse(document)

    async def health(_: Request) -> Response:
        lineage = worker.model.lineage
        audit = worker.audit
        in_order = audit.writable and not (audit.mode == "relaxed" and audit.dropped)
        status = "ok" if in_order else "degraded" if worker.ready else "failing"
        state = Health(
            status="draining" if worker.drain.has_begun else status,
            model=worker.model.tag,
            model_name=lineage.model_name,
            model_version=lineage.model_version,
            runtime=worker.model.predictor.name,
            audit_mode=audit.mode,
            audit_writable=audit.writable,
            audit_dropped=audit.dropped,
            uptime_s=round(worker.uptime_s, 3),
        )
        return _json(state, 200 if worker.ready else 503)

    async def model_info(_: Request) -> Response:
        model = worker.model
        return _json(
            ModelInfo(
                tag=model.tag,
                model_name=model.lineage.model_name,
                model_version=model.lineage.model_version,
                classes=list(model.contract.target.classes),
                contract=model.contract,
                lineage=model.lineage,
                runtime=model.predictor.name,
                max_batch_rows=worker.settings.max_batch_rows,
            )
        )

    async def history(request: Request) -> Response:
        filters = _filters(request)
        return _json(await to_thread.run_sync(worker.history.history, filters))

    async def metrics(_: Request) -> Response:
        # By then every worker has written what had happened when the page was asked for.
        await asyncio.sleep(TALLY_INTERVAL_S)
        worker.tally()
        page = await to_thread.run_sync(worker.metrics_page)
        return Response(page, headers={"content-type": CONTENT_TYPE})

    return Starlette(
        routes=[
            Route(paths.INDEX, index),
            Route(paths.DOCS, docs),
            Route(paths.OPENAPI, docs_json),
            Route(paths.HEALTH, health),
            Route(paths.MODEL, model_info),
            Route(paths.HISTORY, history),
            Route(paths.METRICS, metrics),
        ],
        exception_handlers={RequestError: _refuse, AuditUnusable: _fail},  # type: ignore[dict-item]
    )


def _json(content: BaseModel, status: int = 200) -> Response:
    return Response(content.model_dump_json(), status, media_type="application/json")


def _filters(request: Request) -> HistoryFilters:
    query = request.query_params.multi_items()
    twice = [name for name, count in Counter(name for name, _ in query).items() if count > 1]
    if twice:
        raise QueryInvalid([Finding((name,), "Given more than once") for name in twice])
    try:
        return HistoryFilters.model_validate(dict(query))
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
        raise QueryInvalid([Finding(detail["loc"], detail["msg"]) for detail in details]) from error


async def _refuse(request: Request, error: RequestError) -> Response:
    body = problem_json(error, request.scope[REQUEST_ID])
    return Response(body, error.status, media_type=MEDIA_TYPE)


async def _fail(request: Request, error: AuditUnusable) -> Response:
    _logger.error("request %s failed: %s", request.scope[REQUEST_ID], error, exc_info=error)
    return await _refuse(request, InternalFailure())
