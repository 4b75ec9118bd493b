"""Who may ask, and from where."""

from __future__ import annotations

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from api.security import LOCAL_HOSTS, SecurityMiddleware, check_address, is_local
from audit.errors import ConfigError


def client(hosts: frozenset[str] | None) -> TestClient:
    async def hello(_: object) -> PlainTextResponse:
        return PlainTextResponse("hello", headers={"referrer-policy": "same-origin"})

    inner = Starlette(routes=[Route("/", hello, methods=["GET", "POST"])])
    return TestClient(SecurityMiddleware(inner, hosts), base_url="http://127.0.0.1:8000")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost", "LOCALHOST"])
def test_loopback_addresses_are_local(host: str) -> None:
    assert is_local(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.org", "", "127.0.0.1.example.org"])
def test_every_other_address_is_public(host: str) -> None:
    assert not is_local(host)


def test_a_public_address_is_refused_with_what_to_do() -> None:
    with pytest.raises(ConfigError, match="--insecure-public"):
        check_address("0.0.0.0", insecure=False)


def test_a_public_address_is_taken_when_insisted_on() -> None:
    assert check_address("0.0.0.0", insecure=True) is None


def test_a_local_address_answers_to_local_names_only() -> None:
    assert check_address("127.0.0.1", insecure=False) == LOCAL_HOSTS


def told(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].rpartition(":")[2]


def test_a_host_name_that_is_not_ours_is_refused() -> None:
    answer = client(LOCAL_HOSTS).get("/", headers={"host": "evil.example:8000"})
    assert told(answer) == (403, "unknown-host")


def test_a_malformed_host_is_refused() -> None:
    assert told(client(LOCAL_HOSTS).get("/", headers={"host": "[::1"})) == (403, "unknown-host")


def test_any_host_name_is_taken_on_a_public_server() -> None:
    assert client(None).get("/", headers={"host": "anything.example"}).status_code == 200


def test_a_page_of_another_origin_cannot_change_anything() -> None:
    answer = client(LOCAL_HOSTS).post("/", headers={"origin": "http://evil.example"})
    assert told(answer) == (403, "cross-origin")


def test_a_sandboxed_page_cannot_change_anything() -> None:
    assert told(client(LOCAL_HOSTS).post("/", headers={"origin": "null"})) == (403, "cross-origin")


def test_another_port_of_this_machine_is_another_origin() -> None:
    answer = client(LOCAL_HOSTS).post("/", headers={"origin": "http://127.0.0.1:9000"})
    assert told(answer) == (403, "cross-origin")


def test_our_own_pages_and_programs_may_change_things() -> None:
    assert client(LOCAL_HOSTS).post("/", headers={"origin": "http://127.0.0.1:8000"}).status_code == 200
    assert client(LOCAL_HOSTS).post("/").status_code == 200


def test_every_answer_has_the_security_headers() -> None:
    for answer in (client(LOCAL_HOSTS).get("/"), client(LOCAL_HOSTS).get("/", headers={"host": "evil.example"})):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_a_header_the_route_set_itself_stays() -> None:
    assert client(LOCAL_HOSTS).get("/").headers["referrer-policy"] == "same-origin"
