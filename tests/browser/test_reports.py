"""Reports in the browser: asked for, watched, taken home, failed, cancelled."""

from __future__ import annotations

import csv
import io
import re

import pytest
from playwright.async_api import expect

from tests.browser.conftest import MakePlay
from tests.browser.visitor import REFUSED, Visitor
from tests.component.conftest import Client
from tests.waiting import until

# The first one installs the browser, starts everything and imports.
pytestmark = pytest.mark.timeout(600)

REPORTS = "#/reports"


async def test_a_report_is_asked_for_and_taken_home(visitor: Visitor, caller: Client) -> None:
    # By the store's clock the last but one is in the range's last second, and the last behind it.
    customers = {
        "ada@example.com": "2024-01-01T00:00:00Z",
        "grace@example.com": "2024-02-14T12:00:00Z",
        "joan@example.com": "2024-03-31T22:59:59Z",
        "late@example.com": "2024-03-31T23:00:00Z",
    }
    await caller.post(
        "/customers",
        [
            {"id": number, "email": email, "date_created": moment}
            for number, (email, moment) in enumerate(customers.items(), 1)
        ],
    )
    page = visitor.page
    await visitor.sign_in(caller.token, f"{REPORTS}?range=free&from=2024-01-01&to=2024-03-31")
    await page.get_by_role("radio", name=re.compile("^Customers")).check()
    await page.get_by_role("button", name="Ask for the report").click()
    report = page.get_by_role("listitem").filter(has=page.get_by_role("heading", name="Customers"))
    await expect(report).to_have_count(1)
    # Nobody loads anything anew: the page is told.
    await expect(report.first).to_contain_text("Ready")
    await expect(report.first).to_contain_text("3 rows")
    await expect(report.first).to_contain_text("1 Jan 2024 – 31 Mar 2024")
    async with page.expect_download() as waiting:
        await report.get_by_role("button", name="Download").click()
    download = await waiting.value
    assert re.fullmatch(r"customers_report\.\d{13}\.csv", download.suggested_filename)
    lines = csv.DictReader(io.StringIO((await download.path()).read_text(), newline=""))
    assert [line["email"] for line in lines] == [*customers][:3]
    await visitor.keep("reports")
    await report.get_by_role("button", name="Remove").click()
    await expect(page.get_by_text("No reports yet")).to_be_visible()
    assert (await caller.get("/reports"))["total_items"] == 0


async def test_its_progress_is_seen_while_it_is_made(
    visitor: Visitor, caller: Client, make_play: MakePlay
) -> None:
    play = await make_play()
    await visitor.sign_in(caller.token, REPORTS)
    report = visitor.page.get_by_role("listitem")
    await expect(report).to_contain_text("Waiting")
    await play.claim()
    await play.write(1_200)
    await expect(report).to_contain_text("Being built")
    await expect(report).to_contain_text("1,200 rows")
    await visitor.keep("progress")
    await play.write(3_400)
    await expect(report).to_contain_text("3,400 rows")
    await play.finish()
    await expect(report).to_contain_text("Ready")
    await expect(report.get_by_role("progressbar")).to_have_count(0)


async def test_one_that_failed_says_why(
    visitor: Visitor, caller: Client, make_play: MakePlay
) -> None:
    play = await make_play()
    await visitor.sign_in(caller.token, REPORTS)
    await play.claim()
    await play.fail()
    report = visitor.page.get_by_role("listitem")
    await expect(report).to_contain_text("Failed")
    await expect(report).to_contain_text("ask again later")
    await expect(report).to_contain_text("unavailable after 1 attempt")
    await visitor.keep("failed")


async def test_one_that_is_not_wanted_any_more_is_cancelled(
    visitor: Visitor, caller: Client, make_play: MakePlay
) -> None:
    play = await make_play()
    await visitor.sign_in(caller.token, REPORTS)
    await visitor.page.get_by_role("button", name="Cancel").click()
    await expect(visitor.page.get_by_text("No reports yet")).to_be_visible()
    await caller.get(play.path, status=404)


async def test_one_that_somebody_else_takes_away_is_gone_here_too(
    visitor: Visitor, caller: Client, make_play: MakePlay
) -> None:
    # It may be gone before the page has begun to listen.
    visitor.expected.add(REFUSED)
    play = await make_play()
    await visitor.sign_in(caller.token, REPORTS)
    await expect(visitor.page.get_by_role("listitem")).to_have_count(1)
    await caller.call("DELETE", play.path, status=204)
    await expect(visitor.page.get_by_text("No reports yet")).to_be_visible()


async def test_who_may_only_look_is_told_so(
    visitor: Visitor, reader: str, make_play: MakePlay
) -> None:
    await make_play()
    await visitor.sign_in(reader, REPORTS)
    await expect(visitor.page.get_by_role("listitem")).to_have_count(1)
    await expect(visitor.page.get_by_role("button", name="Ask for the report")).to_be_disabled()
    await expect(visitor.page.get_by_text("it lacks the scope write")).to_be_visible()
    await expect(visitor.page.get_by_role("button", name="Cancel")).to_have_count(0)


async def test_an_api_that_refuses_is_quoted(visitor: Visitor, caller: Client) -> None:
    visitor.expected.add(REFUSED)
    await visitor.sign_in(caller.token, f"{REPORTS}?range=free&from=0001-01-01&to=0001-01-01")
    await visitor.page.get_by_role("button", name="Ask for the report").click()
    problem = visitor.page.get_by_role("form").get_by_role("alert")

    async def quoted() -> bool:
        return "datetime_start" in (await problem.text_content() or "")

    await until(quoted, seconds=15, what="what the API has against it")
