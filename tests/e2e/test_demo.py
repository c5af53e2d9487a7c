"""The demo's steps and the command line, against the whole system."""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from devstack import demo, demo_account
from devstack.demo_account import DemoAccount
from tests.e2e.conftest import Stack


@pytest.fixture(scope="module")
async def account(stack: Stack) -> DemoAccount:
    return await demo_account.obtain(stack.running)


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def answer(self) -> Any:
        assert self.exit_code == 0, self.stderr
        return json.loads(self.stdout)


async def call(stack: Stack, account: DemoAccount, *arguments: str) -> Ended:
    """Run the command line as people do: a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli", *arguments),
        env={**os.environ, "TALLYPORT_URL": stack.url, "TALLYPORT_TOKEN": account.token},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    stdout, stderr = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, stdout.decode(), stderr.decode())


def sizes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in folder.iterdir()}


async def show(stack: Stack) -> str:
    console = Console(file=io.StringIO(), width=200)
    wrong = await demo.show(stack.running, console)
    assert wrong == []
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


@pytest.mark.slow
async def test_every_number_is_right_and_a_second_run_changes_nothing(
    stack: Stack, account: DemoAccount
) -> None:
    first = await show(stack)
    assert "12,392 inserted" in first
    assert account.token in first
    second = await show(stack)
    assert "0 inserted, 0 replaced, 3,569 duplicates" in second
    assert "0 inserted, 0 replaced, 12,392 duplicates" in second


async def test_items_go_in_by_file_once_and_come_out_as_numbers(
    stack: Stack, account: DemoAccount, tmp_path: Path
) -> None:
    made = await call(
        stack, account, *("register", "create", "--name", "ledger", "--label", "shop", "--json")
    )
    register = str(made.answer["id"])
    path = tmp_path / "items.csv"
    path.write_text(
        "unique_key,description,amount,units,originated_at,shop\n"
        + "".join(f"k{n},x,0.1,,2024-01-0{n}T10:00:00Z,north\n" for n in (1, 2, 3))
    )
    load = ("import", str(path), "--register", register, "--json")
    recorded = (await call(stack, account, *load)).answer
    assert recorded == {"items": {"inserted": 3, "duplicates": 0}}
    recorded = (await call(stack, account, *load)).answer
    assert recorded == {"items": {"inserted": 0, "duplicates": 3}}

    january = ("--register", register, "--from", "2024-01-01", "--to", "2024-01-31")
    told = await call(stack, account, "items", "sum", *january, "--by", "shop", "--json")
    assert told.stdout == (
        '{"title":"Sum by Shop","count":[{"period":"All","group":"north","value":0.3}]}\n'
    )
    refused = await call(stack, account, "items", "sum", *january, "--by", "nope")
    assert refused.exit_code == 1
    assert "nope is not a meta-column for register" in refused.stderr


async def test_a_report_is_asked_for_awaited_saved_and_removed(
    stack: Stack, account: DemoAccount, tmp_path: Path
) -> None:
    made = await call(
        *(stack, account, "report", "create", "customers"),
        *("--from", "2011-01-01", "--to", "2011-01-31"),
        *("--compress", "--download", str(tmp_path), "--json"),
    )
    report = made.answer
    assert sizes(tmp_path) == {report["download"]["name"]: report["download"]["bytes"]}
    assert report["download"]["name"].endswith(".zip")
    number = report["_links"]["self"]["href"].rpartition("/")[2]
    assert (await call(stack, account, "report", "delete", number)).exit_code == 0
    assert (await call(stack, account, "report", "get", number)).exit_code == 1
