"""Problems as HTTP answers: the body, the handlers that write it, and its declaration in OpenAPI.

Source: RFC 9457 (Problem Details for HTTP APIs).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import PROBLEM_MEDIA_TYPE, PROBLEMS, TYPE_PREFIX, ApiError, ProblemKind, kind_of
from audit.errors import AuditError
from storage.errors import StorageError
from workers.errors import WorkersError

_log = structlog.get_logger(__name__)

MAX_TOLD_ERRORS = 20
MAX_DETAIL = 2000
EVERYWHERE = ("bad-request", "cross-origin", "unknown-host", "too-large", "internal", "unavailable")
"""Kinds that any route can answer with."""

_BY_STATUS = {
    400: "bad-request",
    404: "not-found",
    405: "method-not-allowed",
    413: "too-large",
    415: "unsupported-media-type",
    422: "invalid-request",
    503: "unavailable",
}


class FieldProblem(BaseModel):
    """One field that cannot be used."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    location: str = Field(description="Where it is: `body.seed`, `query.limit`, `path.audit_id`.")
    message: str = Field(description="What is wrong with it.")


class Problem(BaseModel):
    """Body of every error (RFC 9457)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: str = Field(description="`urn:assay:problem:` and the stable name of the kind of problem.")
    title: str = Field(description="What happened, in a few words; the same for every problem of the kind.")
    status: int = Field(description="HTTP status.", ge=400, le=599)
    detail: str = Field(description="What was wrong here, the value seen, and what to do.")
    action: str = Field(description="What a client can do about this kind of problem.")
    instance: str = Field(description="Path of the request.")
    errors: tuple[FieldProblem, ...] = Field(default=(), description="The fields that cannot be used, if any.")


def problem_response(
    kind: ProblemKind,
    detail: str,
    *,
    instance: str,
    errors: Sequence[FieldProblem] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Write a problem as an HTTP answer."""
    problem = Problem(
        type=TYPE_PREFIX + kind.slug,
        title=kind.title,
        status=kind.status,
        detail=_printable(detail)[:MAX_DETAIL],
        action=kind.action,
        instance=_printable(instance),
        errors=tuple(errors),
    )
    return JSONResponse(
        problem.model_dump(mode="json"), kind.status, headers=dict(headers or {}), media_type=PROBLEM_MEDIA_TYPE
    )


def install(app: FastAPI) -> None:
    """Make every error of the application a problem."""
    for base in (ApiError, AuditError, StorageError, WorkersError):
        app.add_exception_handler(base, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unforeseen)


class PlainErrorMiddleware:
    """Make problems of the plain-text errors that parts of the framework send past the handlers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        replaced = False

        async def send_problem(message: Message) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start" and _is_plain_error(message):
                replaced = True
                answer = _of_status(message["status"], "", scope["method"], scope["path"])
                await answer(scope, receive, send)
            elif not replaced:
                await send(message)

        await self.app(scope, receive, send_problem)


def _is_plain_error(start: Message) -> bool:
    kind = Headers(scope=start).get("content-type", "")
    return int(start["status"]) >= HTTPStatus.BAD_REQUEST and kind.startswith("text/plain")


def problems(*slugs: str) -> dict[int | str, dict[str, Any]]:
    """Declare kinds of problems for a route, beside those that any route can answer with.

    Parameters
    ----------
    slugs : str
        Keys of :data:`api.errors.PROBLEMS`.
    """
    declared: dict[int | str, dict[str, Any]] = {}
    for slug in (*slugs, *EVERYWHERE):
        kind = PROBLEMS[slug]
        response = declared.setdefault(
            kind.status,
            {"description": HTTPStatus(kind.status).phrase, "content": {PROBLEM_MEDIA_TYPE: {"examples": {}}}},
        )
        media = response["content"][PROBLEM_MEDIA_TYPE]
        media["schema"] = {"$ref": "#/components/schemas/Problem"}
        media["examples"][slug] = {"summary": kind.title, "value": _example(kind)}
    return declared


def _example(kind: ProblemKind) -> dict[str, Any]:
    return Problem(
        type=TYPE_PREFIX + kind.slug,
        title=kind.title,
        status=kind.status,
        detail=f"{kind.title}.",
        action=kind.action,
        instance="/v1/…",
    ).model_dump(mode="json")


async def _known(request: Request, error: Exception) -> JSONResponse:
    kind = kind_of(error)
    if kind.slug == "internal":
        return await _unforeseen(request, error)
    return problem_response(kind, str(error), instance=request.url.path)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    found = error.errors() if isinstance(error, RequestValidationError) else []
    fields = [
        FieldProblem(
            location=_printable(".".join(str(part) for part in one["loc"])), message=_printable(str(one["msg"]))
        )
        for one in found[:MAX_TOLD_ERRORS]
    ]
    malformed = any(one["type"] == "json_invalid" for one in found)
    kind = PROBLEMS["bad-request" if malformed else "invalid-request"]
    detail = "; ".join(f"{field.location}: {field.message}" for field in fields) or kind.title
    return problem_response(kind, detail, instance=request.url.path, errors=fields)


async def _http(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        return await _unforeseen(request, error)
    said = "" if error.detail == HTTPStatus(error.status_code).phrase else error.detail
    return _of_status(error.status_code, said, request.method, request.url.path, error.headers)


def _of_status(
    status: int, said: str, method: str, path: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    kind = PROBLEMS[_BY_STATUS.get(status, "internal")]
    return problem_response(kind, said or f"{method} {path}: {kind.title}.", instance=path, headers=headers)


async def _unforeseen(request: Request, error: Exception) -> JSONResponse:
    _log.error("request.broke", path=request.url.path, error=type(error).__name__)
    detail = "Something broke while answering; the server's log says what. Nothing of it is repeated here."
    return problem_response(PROBLEMS["internal"], detail, instance=request.url.path)


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
