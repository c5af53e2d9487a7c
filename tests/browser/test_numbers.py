"""Numbers in the browser are those of the API, to the cent: in the chart, the table, the file."""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest
from playwright.async_api import expect

from devstack.demo_account import DemoAccount
from tests.browser.conftest import MakeVisitor
from tests.browser.visitor import SCREENSHOTS, Visitor
from tests.component.conftest import Client

# The first one installs the browser, starts everything and imports.
pytestmark = pytest.mark.timeout(600)

# All that there is in the sample, as its invoices say; the page finds it by itself.
RANGE = {
    "start_at": "2010-12-01T00:00:00Z",
    "end_at": "2011-12-31T23:59:59.999999Z",
    "timezone": "Europe/London",
}
BY_MONTH_AND_COUNTRY = "#/numbers?by=country&chart=stacked"


# Chosen, looked at when the page has had its turn; and looked at again in the one after the answer.
_ANOTHER_PERIOD = """async () => {
  const turn = () => new Promise(done => setTimeout(done));
  const answer = document.querySelector('.answer');
  const choice = [...document.querySelectorAll('label')].find(one =>
    one.textContent === 'By period').control;
  choice.value = 'month';
  const settled = new Promise(done => new MutationObserver((_, observer) => {
    if (answer.ariaBusy === 'true') return;
    observer.disconnect();
    done();
  }).observe(answer, {attributeFilter: ['aria-busy']}));
  choice.dispatchEvent(new Event('change', {bubbles: true}));
  await Promise.resolve();
  const busy = answer.ariaBusy;
  await settled;
  await turn();
  return [busy, document.querySelector('canvas').chart?.data.labels];
}"""


async def api(client: Client, measure: str, **arguments: Any) -> list[dict[str, Any]]:
    """The answer of one of the three calls, its decimals exactly."""
    registers = await client.get("/registers")
    (sales,) = (one["id"] for one in registers["registers"] if one["is_sales"])
    body = {"register_id": sales, **RANGE, **arguments}
    async with client.session.post(f"/reports/item_{measure}", json=body) as response:
        assert response.status == 200, await response.text()
        answer = json.loads(await response.text(), parse_float=Decimal, parse_int=Decimal)
    rows: list[dict[str, Any]] = answer["count"]
    return rows


async def test_the_first_view_is_all_data_by_month(
    visitor: Visitor, sample: DemoAccount, wholesaler: Client
) -> None:
    expected = await api(wholesaler, "sum", group_by_period="month")
    await visitor.sign_in(sample.token)
    await expect(visitor.title).to_have_text("Sum by Month")
    drawn = await visitor.drawn()
    assert (drawn.kind, drawn.stacked) == ("bar", False)
    assert drawn.labels == [row["period"] for row in expected]
    assert drawn.series == {"All": [float(row["value"]) for row in expected]}
    assert await visitor.rows() == [(row["period"], row["value"]) for row in expected]
    assert await visitor.texts() == [
        ["Period", "Sum (GBP)"],
        *([row["period"], f"{row['value']:,.2f}"] for row in expected),
        ["All", f"{sum(row['value'] for row in expected):,.2f}"],
    ]
    # And the bars are as high as they say, in ink.
    (bars,) = await visitor.measured()
    for bar, row in zip(bars, expected, strict=True):
        assert bar["value"] == pytest.approx(float(row["value"]), rel=0.01)
        assert bar["pixels"] > 10
        assert bar["alpha"] == 255
    await visitor.keep("numbers")


async def test_groups_are_the_largest_and_the_rest_together(
    visitor: Visitor, sample: DemoAccount, wholesaler: Client
) -> None:
    amounts: dict[str, dict[str, Decimal]] = defaultdict(dict)
    for row in await api(wholesaler, "sum", group_by_period="month", group_by=["country"]):
        amounts[row["group"]][row["period"]] = row["value"]
    ranked = sorted(amounts, key=lambda one: (-sum(amounts[one].values()), one))
    periods = list(amounts[ranked[0]])
    expected = {name: list(amounts[name].values()) for name in ranked[:5]}
    expected["All others"] = [
        sum((amounts[name][period] for name in ranked[5:]), Decimal()) for period in periods
    ]

    await visitor.sign_in(sample.token)
    await visitor.press("country")
    await visitor.press("Stacked")
    drawn = await visitor.drawn()
    assert (drawn.kind, drawn.stacked) == ("bar", True)
    assert drawn.series == {
        name: [float(value) for value in values] for name, values in expected.items()
    }
    assert await visitor.rows() == [
        (period, name, value)
        for name, values in expected.items()
        for period, value in zip(periods, values, strict=True)
    ]
    await visitor.keep("stacked")
    # A group can be taken out of the picture, and the table keeps it.
    await visitor.page.get_by_role("button", name="United Kingdom", pressed=True).click()
    assert len(await visitor.measured()) == 5
    assert len(await visitor.rows()) == 6 * 13


async def test_the_table_is_sorted_by_any_column_and_exactly(
    visitor: Visitor, sample: DemoAccount, wholesaler: Client
) -> None:
    expected = await api(wholesaler, "average", group_by_period="quarter", group_by=["country"])
    view = "#/numbers?by=country&measure=average&period=quarter&top=all&chart=lines"
    await visitor.sign_in(sample.token, view)
    rows = await visitor.rows()
    assert sorted(rows) == sorted((row["period"], row["group"], row["value"]) for row in expected)
    head = visitor.page.get_by_role("columnheader")
    for name, sort, key in (
        ("Average (GBP)", "descending", lambda row: -row[2]),
        ("Average (GBP)", "ascending", lambda row: row[2]),
        ("country", "ascending", lambda row: row[1].casefold()),
    ):
        await visitor.page.get_by_role("button", name=name).click()
        await expect(head.filter(has_text=name)).to_have_attribute("aria-sort", sort)
        shown = await visitor.rows()
        assert [key(row) for row in shown] == sorted(key(row) for row in rows)
    # What is shown shorter than it is tells the rest.
    value = visitor.page.locator("td[data-exact][title]").first
    assert await value.get_attribute("title") == await value.get_attribute("data-exact")
    await visitor.keep("lines")


async def test_the_file_is_the_answer_of_the_api(
    visitor: Visitor, sample: DemoAccount, wholesaler: Client
) -> None:
    await visitor.sign_in(sample.token, "#/numbers?by=country&by=line_type&period=year&top=all")
    async with visitor.page.expect_download() as waiting:
        await visitor.page.get_by_role("button", name="Download CSV").click()
    download = await waiting.value
    assert download.suggested_filename == (
        "Sales Sum by Year and Country, Line Type 2010-12-01 2011-12-31.csv"
    )
    content = (await download.path()).read_text()
    header, *lines = csv.reader(io.StringIO(content))
    assert header == ["period", "country", "line_type", "sum"]
    expected = await api(
        wholesaler, "sum", group_by_period="year", group_by=["country", "line_type"]
    )
    assert sorted((*line[:-1], Decimal(line[-1])) for line in lines) == sorted(
        (row["period"], *row["group"], row["value"]) for row in expected
    )
    assert sorted(await visitor.rows()) == sorted(
        (*(cell or "(none)" for cell in line[:-1]), Decimal(line[-1])) for line in lines
    )


async def test_an_address_that_was_shared_opens_the_same_view(
    visitor: Visitor, sample: DemoAccount, make_visitor: MakeVisitor
) -> None:
    await visitor.sign_in(sample.token)
    await visitor.press("Count")
    await visitor.choose("By period", "Week")
    await visitor.choose("Time zone", "Pacific/Auckland")
    await visitor.press("category")
    await visitor.choose("Range", "From … to …")
    await visitor.page.get_by_label("From", exact=True).fill("2011-03-10")
    await visitor.page.get_by_label("To", exact=True).fill("2011-04-10")
    await visitor.press("Lines")
    await visitor.page.get_by_role("button", name="Count", exact=True).click()
    address, texts, drawn = visitor.page.url, await visitor.texts(), await visitor.drawn()
    assert len(texts) > 5

    other = await make_visitor()
    await other.sign_in(sample.token, address.removeprefix(f"{other.url}/"))
    await expect(other.title).to_have_text("Count by Week and Category")
    await expect(other.page).to_have_title("Count by Week and Category, Sales – Tallyport")
    assert (await other.texts(), await other.drawn()) == (texts, drawn)
    assert other.page.url == address
    # And each choice was a step that can be taken back.
    await visitor.page.go_back()
    await visitor.settled()
    assert await visitor.texts() != texts


async def test_one_figure_needs_no_chart_and_columns_alone_make_bars(
    visitor: Visitor, sample: DemoAccount, wholesaler: Client
) -> None:
    (expected,) = await api(wholesaler, "count")
    await visitor.sign_in(sample.token, "#/numbers?period=all&measure=count")
    await expect(visitor.title).to_have_text("Count")
    await expect(visitor.page.locator("canvas")).to_have_count(0)
    assert await visitor.rows() == [(expected["value"],)]
    await visitor.press("country")
    assert (await visitor.drawn()).labels[-1] == "All others"
    await visitor.keep("columns-alone")
    await visitor.choose("Groups", "All of them")
    drawn = await visitor.drawn()
    rows = await api(wholesaler, "count", group_by=["country"])
    shown = dict(zip(drawn.labels, drawn.series["All"], strict=True))
    assert shown == {row["group"]: float(row["value"]) for row in rows}


async def test_an_old_answer_is_never_taken_for_the_new_one(
    visitor: Visitor, sample: DemoAccount
) -> None:
    await visitor.sign_in(sample.token, "#/numbers?period=year")
    assert (await visitor.drawn()).labels == ["2010", "2011"]
    busy, labels = await visitor.page.evaluate(_ANOTHER_PERIOD)
    # It is said to be old from the moment at which another question is chosen ...
    assert busy == "true"
    # ... to that at which the new numbers are there, and the chart's bars with them.
    assert (labels[0], len(labels)) == ("Dec 2010", 13)


async def test_it_can_be_used_with_keys_alone(
    visitor: Visitor, sample: DemoAccount, wholesaler: Client
) -> None:
    await visitor.sign_in(sample.token)
    await visitor.settled()
    page = visitor.page
    await page.evaluate("document.activeElement.blur()")
    await page.keyboard.press("Tab")
    await expect(page.get_by_text("Skip to the content")).to_be_focused()
    await page.keyboard.press("Enter")
    for _ in range(2):  # the register, then the measure
        await page.keyboard.press("Tab")
    await page.keyboard.press("ArrowRight")
    await expect(visitor.title).to_have_text("Count by Month")
    counts = await api(wholesaler, "count", group_by_period="month")
    await visitor.drawn()
    await page.locator("canvas").focus()
    for key, place in (("ArrowRight", 0), ("ArrowRight", 1), ("End", 12), ("ArrowLeft", 11)):
        await page.keyboard.press(key)
        told = f"{counts[place]['period']}: {counts[place]['value']:,}"
        await expect(page.locator(".chart [role=status]")).to_have_text(told)
    await page.screenshot(path=SCREENSHOTS / "pointed-at.png")
    await page.get_by_role("button", name="Period").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("th[aria-sort=ascending]")).to_have_text("Period↑")


async def test_what_a_first_chart_costs(make_visitor: MakeVisitor, sample: DemoAccount) -> None:
    visitor = await make_visitor()
    session = json.dumps({"token": sample.token})
    await visitor.page.add_init_script(
        f"sessionStorage.setItem('tallyport.session', {json.dumps(session)})"
    )
    wire = await visitor.page.context.new_cdp_session(visitor.page)
    loaded: list[float] = []
    wire.on("Network.loadingFinished", lambda event: loaded.append(event["encodedDataLength"]))
    await wire.send("Network.enable")
    await visitor.open()
    await visitor.drawn()
    milliseconds = await visitor.page.evaluate("performance.now()")
    figures = f"{sum(loaded):,.0f} bytes in {len(loaded)} answers, {milliseconds:,.0f} ms\n"
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    (SCREENSHOTS / "first-chart.txt").write_text(figures)
    print(f"first chart: {figures}")  # noqa: T201 - a figure to be read, not to be judged
    assert sum(loaded) < FIRST_CHART_BYTES_MAX


# Script, styles, font and chart, packed, and the answers of the API as they come.
FIRST_CHART_BYTES_MAX = 140_000
