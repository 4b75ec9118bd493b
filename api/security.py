"""What stands between a browser and the service: response headers, and refusal of requests from elsewhere.

The service has no accounts. Bound to this machine only, it must still not obey a web page that the user happens to
visit: such a page can send requests to localhost (refused by their Origin) and can point a host name of its own at
127.0.0.1 (refused by their Host).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import ApiError, CrossOriginError, UnknownHostError, kind_of
from api.problems import problem_response
from audit.errors import ConfigError

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
API_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

_HEADERS = {
    "content-security-policy": API_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-cache",
}


class SecurityMiddleware:
    """Refuse requests from elsewhere, and put the security headers on every answer that has none of its own.

    Parameters
    ----------
    app : ASGI application
    hosts : collection of str, or None
        Host names the server answers to, without ports; None answers to any.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] | None = None) -> None:
        self.app = app
        self.hosts = frozenset(hosts) if hosts is not None else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            self._refuse(scope)
        except ApiError as error:
            answer = problem_response(kind_of(error), str(error), instance=scope["path"])
            await answer(scope, receive, send_with_headers)
            return
        await self.app(scope, receive, send_with_headers)

    def _refuse(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self.hosts is not None and _hostname(f"//{host}") not in self.hosts:
            raise UnknownHostError(f"this server does not answer to the host {host!r}; use {sorted(self.hosts)[0]!r}")
        origin = headers.get("origin")
        if scope["method"] not in SAFE_METHODS and origin is not None and _netloc(origin) != host.lower():
            raise CrossOriginError(f"a page of {origin!r} sent this; only pages of this server may change anything")


def check_address(host: str, *, insecure: bool) -> frozenset[str] | None:
    """Decide which host names a server bound to ``host`` answers to.

    Parameters
    ----------
    host : str
        The address to listen on.
    insecure : bool
        The user has said that anybody who reaches it may use it.

    Returns
    -------
    frozenset of str, or None
        The host names; None for any.

    Raises
    ------
    ConfigError
        If the address can be reached from other machines and ``insecure`` is not set.
    """
    if is_local(host):
        return LOCAL_HOSTS | {host.lower()}
    if not insecure:
        raise ConfigError(
            f"--host {host} can be reached from other machines, and the service has no accounts: anybody could read "
            "the pictures and start work. Listen on 127.0.0.1 behind a proxy that checks who is asking, or add "
            "--insecure-public if everybody who can reach it may use it."
        )
    return None


def is_local(host: str) -> bool:
    """Whether an address can only be reached from this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _hostname(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _netloc(url: str) -> str | None:
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return None
