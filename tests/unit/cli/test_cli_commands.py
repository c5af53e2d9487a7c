"""The commands as they are called: exit codes, what is on stdout, what is not."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest
from aiohttp import web
from typer.testing import CliRunner, Result

from cli.__main__ import app
from cli.outcomes import MEANINGS, ExitCode, UsageError
from cli.ranges import first_instant, last_instant, last_second
from tests.answering import Service

NOBODY = "http://127.0.0.1:1"
SUM = ("items", "sum", "--register", "1", "--from", "2024-01-01", "--to", "2024-01-31")


def call(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(app, arguments, env={"TALLYPORT_TOKEN": "t", **environment})


async def call_service(service: Service, *arguments: str) -> Result:
    """In a thread: the command has an event loop of its own."""
    return await asyncio.to_thread(call, *arguments, "--url", service.url)


def test_the_help_has_every_exit_code() -> None:
    text = " ".join(call("--help").stdout.split())
    for code, meaning in MEANINGS.items():
        assert f"{code.value} {meaning}" in text
    assert set(MEANINGS) == set(ExitCode)


def _every_command() -> list[tuple[str, ...]]:
    commands = [("migrate",), ("import",)]
    groups = (
        "store",
        "user",
        "member",
        "token",
        "register",
        "report",
        "items",
        "rollup",
        "dead",
        "broker",
    )
    for group in groups:
        listed = re.findall(r"^│ ([a-z]+)  ", call(group, "--help").stdout, re.MULTILINE)
        commands += [(group, name) for name in listed]
    return commands


@pytest.mark.parametrize("command", _every_command(), ids=" ".join)
def test_every_command_speaks_json(command: tuple[str, ...]) -> None:
    assert "--json" in call(*command, "--help").stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("items", "sum"),
        ("token", "create", "--user", "1"),
        ("token", "create", "--user", "1", "--store", "1", "--service"),
        ("import", "/does/not/exist"),
        (*SUM, "--url", "localhost:8080"),
        (*SUM, "--token", ""),
        (*SUM, "--period", "month", "--timezone", "Mars/Phobos"),
        ("store", "list"),
        ("dead", "list", "--since", "yesterday"),
        ("dead", "redrive"),
        ("dead", "redrive", "--all", "--kind", "record.items.v1"),
        ("dead", "purge", "--all"),
    ],
)
def test_wrong_usage_is_2(arguments: tuple[str, ...]) -> None:
    result = call(*arguments, TALLYPORT_DATABASE_URL="")
    assert result.exit_code == ExitCode.USAGE
    assert result.stderr


def test_nobody_there_is_3_and_json_all_the_same() -> None:
    result = call(*SUM, "--url", NOBODY, "--json")
    assert result.exit_code == ExitCode.UNREACHABLE
    assert json.loads(result.stdout)["exit_code"] == ExitCode.UNREACHABLE


def test_no_database_is_3_and_hides_the_password() -> None:
    url = "postgresql://me:hidden@127.0.0.1:1/db"
    result = call("store", "list", TALLYPORT_DATABASE_URL=url)
    assert result.exit_code == ExitCode.UNREACHABLE
    assert "hidden" not in result.output


async def test_a_refusal_is_1_in_the_services_words(service: Service) -> None:
    async def refuse(request: web.Request) -> web.StreamResponse:
        return web.json_response({"error": "Invalid register_id"}, status=422)

    service.respond = refuse
    result = await call_service(service, *SUM, "--json")
    assert result.exit_code == ExitCode.REFUSED
    assert json.loads(result.stdout) == {
        "error": "Invalid register_id",
        "exit_code": 1,
        "status": 422,
    }
    assert result.stderr.strip() == "Invalid register_id"


async def test_json_is_the_answer_digit_by_digit_and_nothing_else(service: Service) -> None:
    body = b'{"title":"Sum","count":[{"period":"All","group":"All","value":0.3000000000000000001}]}'

    async def answer(request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        assert asked["start_at"] == "2024-01-01T00:00:00+00:00"
        assert asked["end_at"] == "2024-01-31T23:59:59.999999+00:00"
        return web.Response(body=body, content_type="application/json")

    service.respond = answer
    assert (await call_service(service, *SUM, "--json")).stdout.encode() == body + b"\n"
    assert "0.3000000000000000001" in (await call_service(service, *SUM)).stdout


async def test_a_report_that_does_not_come_is_4(service: Service) -> None:
    async def queued(request: web.Request) -> web.StreamResponse:
        progress = {"stage": "waiting", "rows_written": 0, "percent": 0}
        self = {"self": {"href": f"{service.url}/report/9"}}
        report = {"name": "customers", "format": "csv", "status": "queued", "progress": progress}
        return web.json_response({"_links": self, **report})

    service.respond = queued
    create = ("report", "create", "customers", "--from", "2024-01-01", "--to", "2024-01-31")
    result = await call_service(service, *create, "--wait", "--timeout", "0.5", "--json")
    assert result.exit_code == ExitCode.TIMED_OUT
    assert "report 9 is not ready" in json.loads(result.stdout)["error"]
    assert service.requests[0].headers["Idempotency-Key"]


async def test_reports_are_listed_the_newest_first(service: Service) -> None:
    async def page(request: web.Request) -> web.StreamResponse:
        assert request.query["order"] == "date_created desc"
        assert (request.query["limit"], request.query["offset"]) == ("2", "20")
        report = {
            "_links": {"self": {"href": f"{service.url}/report/9"}},
            "name": "[bold]customers",
            "datetime_start": "2024-01-01T00:00:00+0000",
            "datetime_end": "2024-01-31T23:59:59+0000",
            "status": "ready",
            "progress": {"stage": "done", "rows_written": 7, "percent": 100},
            "files": [{"name": "customers.csv", "rows": 7}],
            "download": {"bytes": 99},
        }
        return web.json_response({"_embedded": {"fx:reports": [report]}, "total_items": 21})

    service.respond = page
    result = await call_service(service, "report", "list", "--limit", "2", "--offset", "20")
    assert result.exit_code == ExitCode.DONE
    assert "Reports 21 to 21 of 21" in result.stdout
    assert "[bold]" in result.stdout, "a name is no markup"


async def test_items_are_streamed_as_they_are(service: Service, tmp_path: Path) -> None:
    content = b"unique_key,amount,originated_at\r\n1,0.10,2024-01-01T00:00:00Z\r\n"
    path = tmp_path / "items.csv"
    path.write_bytes(content)
    got: list[bytes] = []

    async def take(request: web.Request) -> web.StreamResponse:
        got.append(await request.read())
        return web.json_response({"inserted": 1, "duplicates": 0})

    service.respond = take
    result = await call_service(service, "import", str(path), "--register", "3", "--json")
    assert json.loads(result.stdout) == {"items": {"inserted": 1, "duplicates": 0}}
    assert got == [content]
    assert service.requests[0].path == "/registers/3/items"
    assert service.requests[0].content_type == "text/csv"


async def test_a_register_is_no_place_for_invoices(service: Service, tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_text(
        "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
    )
    result = await call_service(service, "import", str(path), "--register", "3")
    assert result.exit_code == ExitCode.USAGE
    assert not service.requests


@pytest.mark.parametrize(
    ("text", "timezone", "expected"),
    [
        ("2024-07-01", "Europe/London", "2024-07-01T00:00:00+01:00"),
        ("2024-07-01", None, "2024-07-01T00:00:00+00:00"),
        ("2024-07-01T10:00:00", "Asia/Kolkata", "2024-07-01T10:00:00+05:30"),
        ("2024-07-01T10:00:00Z", "Asia/Kolkata", "2024-07-01T10:00:00+00:00"),
        ("2024-03-31T01:30:00", "Europe/London", "2024-03-31T02:30:00+01:00"),
        ("2024-10-27T01:30:00", "Europe/London", "2024-10-27T01:30:00+01:00"),
    ],
)
def test_the_start_of_a_range(text: str, timezone: str | None, expected: str) -> None:
    assert first_instant(text, timezone) == expected


def test_the_end_of_a_range_leaves_nothing_out() -> None:
    assert last_instant("2024-07-01", "Europe/London") == "2024-07-01T23:59:59.999999+01:00"
    assert last_instant("2024-10-27T01:30:00", "Europe/London") == "2024-10-27T01:30:00+00:00"
    assert last_second("2024-07-01") == "2024-07-01 23:59:59"


def test_no_date() -> None:
    with pytest.raises(UsageError, match="not a date"):
        first_instant("tomorrow", None)
