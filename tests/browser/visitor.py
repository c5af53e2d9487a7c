"""A person at the page: what they do, what they see, and what must never happen meanwhile."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from playwright.async_api import ConsoleMessage, Locator, Page, Request, expect

from tests.engines import ROOT

SCREENSHOTS = ROOT / ".run" / "screenshots"
PHONE = {"width": 375, "height": 812}
# What a browser says by itself of an answer that is no success; the page has to live with it.
REFUSED = "Failed to load resource"
# And of a test that looks at the ink.
LOOKED_AT = "Multiple readback operations"

_DRAWN = """canvas => canvas.chart && {
  kind: canvas.chart.config.type,
  stacked: Boolean(canvas.chart.options.scales.y.stacked),
  labels: canvas.chart.data.labels,
  series: canvas.chart.data.datasets.map(one => ({name: one.label, values: one.data})),
}"""
# Where the elements stand, read back through the axis, and whether there is ink.
_MEASURED = """canvas => {
  const chart = canvas.chart;
  const ink = canvas.getContext('2d');
  return chart.getSortedVisibleDatasetMetas().map(meta => meta.data.map(element => {
    const {x, y} = element.getProps(['x', 'y'], true);
    const base = element.base ?? y;
    const [px, py] = [x, (y + base) / 2].map(one => Math.round(one * devicePixelRatio));
    return {
      value: chart.scales.y.getValueForPixel(y) - (element.base === undefined ? 0 :
        chart.scales.y.getValueForPixel(base)),
      pixels: Math.abs(base - y),
      alpha: ink.getImageData(px, py, 1, 1).data[3],
    };
  }));
}"""
# One row of a table is like another.
_ROWS_BUT_FIVE = "tbody tr:nth-child(n+6)"
_AXE_RUN = """without => axe.run(
  {exclude: without.map(selector => [selector])}, {resultTypes: ['violations']})"""
_DRAWN_ANEW = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
# Of a picture, whether it is light in all, and its first rows, where the bar is.
_LIGHT = """async picture => {
  const bytes = Uint8Array.from(atob(picture), one => one.charCodeAt(0));
  const drawn = await createImageBitmap(new Blob([bytes]));
  const ink = new OffscreenCanvas(drawn.width, drawn.height).getContext('2d');
  ink.drawImage(drawn, 0, 0);
  const isLight = rows => {
    const {data} = ink.getImageData(0, 0, drawn.width, rows);
    return data.reduce((sum, one) => sum + one, 0) / data.length > (127 * 3 + 255) / 4;
  };
  return {'the page': isLight(drawn.height), 'its bar': isLight(48)};
}"""
_TABLE = """table => [...table.tBodies[0].rows].map(row => [...row.cells].map(cell =>
  cell.dataset.exact ?? cell.textContent))"""
_TEXTS = """table => [...table.rows].map(row => [...row.cells].map(cell => cell.textContent))"""


@dataclass(frozen=True)
class Drawn:
    """What a chart draws."""

    kind: str
    stacked: bool
    labels: list[str]
    series: dict[str, list[float]]


class Visitor:
    """A window of its own, in which everything that goes wrong is remembered."""

    def __init__(self, page: Page, url: str, *, downloads_from: str, axe: str) -> None:
        self.page = page
        self.url = url
        self._downloads_from = downloads_from
        self._axe = axe
        self._wrong: list[str] = []
        self._tokens: set[str] = set()
        self.expected = {LOOKED_AT}
        page.set_default_timeout(15_000)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self._wrong.append(f"uncaught: {error}"))
        page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._wrong.append(message.text)

    def _request(self, request: Request) -> None:
        is_download = request.is_navigation_request() and request.url.startswith(
            f"{self._downloads_from}/"
        )
        at_home = request.url.startswith((f"{self.url}/", f"blob:{self.url}/"))
        if not (at_home or is_download):
            self._wrong.append(f"a request left the origin: {request.url}")
        self._wrong += [f"a token in {request.url}" for one in self._tokens if one in request.url]

    def assert_nothing_wrong(self) -> None:
        """No error in the console, no request to elsewhere, no token in an address."""
        wrong = [one for one in self._wrong if not any(text in one for text in self.expected)]
        assert wrong == [], "\n".join(wrong)

    async def open(self, view: str = "") -> None:
        await self.page.goto(f"{self.url}/{view}")

    async def sign_in(self, token: str, view: str = "", *, store: int | None = None) -> None:
        """Through the form, with keys only."""
        self._tokens.add(token)
        await self.open(view)
        await self.page.get_by_label("Token").fill(token)
        await self.page.keyboard.press("Enter")
        if store is not None:
            await self.page.get_by_label("Store number").fill(str(store))
            await self.page.keyboard.press("Enter")
        await expect(self.page.get_by_role("button", name="Sign out")).to_be_visible()

    async def settled(self) -> None:
        """Until the answer that is shown is the one to what was last asked."""
        await expect(self.page.locator(".answer[aria-busy=false]")).to_be_visible()

    async def choose(self, label: str, option: str) -> None:
        await self.page.get_by_label(label, exact=True).select_option(label=option)
        await self.settled()

    async def press(self, name: str) -> None:
        """A radio button or a tick, by its name."""
        await self.page.get_by_label(name, exact=True).check()
        await self.settled()

    @property
    def title(self) -> Locator:
        return self.page.get_by_role("heading", level=1)

    async def drawn(self) -> Drawn:
        """What the chart draws, once it does, of the answer to what was last asked."""
        await self.settled()
        canvas = self.page.locator("canvas")
        handle = await canvas.element_handle()
        await self.page.wait_for_function("canvas => canvas.chart", arg=handle)
        found = await canvas.evaluate(_DRAWN)
        series = {one["name"]: one["values"] for one in found["series"]}
        return Drawn(found["kind"], found["stacked"], found["labels"], series)

    async def measured(self) -> list[list[dict[str, float]]]:
        """Each bar or point of the chart as it stands on the canvas."""
        found: list[list[dict[str, float]]] = await self.page.locator("canvas").evaluate(_MEASURED)
        return found

    async def rows(self) -> list[tuple[Any, ...]]:
        """The table's body; the last cell exactly."""
        await self.settled()
        await expect(self.page.get_by_role("table")).to_be_visible()
        while await self.page.locator(".table > .button").count():
            await self.page.locator(".table > .button").click()
        rows = await self.page.locator("table").evaluate(_TABLE)
        return [(*cells[:-1], Decimal(cells[-1])) for cells in rows]

    async def texts(self) -> list[list[str]]:
        """The whole table as it is read, head and foot included."""
        await self.settled()
        found: list[list[str]] = await self.page.locator("table").evaluate(_TEXTS)
        return found

    async def keep(self, name: str, *, without: str | None = None) -> None:
        """Light, dark and on a phone: a picture of each, as light or dark as it should be, and
        nothing that is not accessible, but in what is not ours to mend (`without`, a selector)."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        usual = self.page.viewport_size
        problems = []
        for look, scheme, size in (
            ("light", "light", usual),
            ("dark", "dark", usual),
            ("phone", "light", PHONE),
        ):
            assert size is not None
            await self.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            await self.page.set_viewport_size(size)  # type: ignore[arg-type]
            await self.page.evaluate("scrollTo(0, 0)")
            await self.page.evaluate(_DRAWN_ANEW)
            picture = await self.page.screenshot(path=SCREENSHOTS / f"{name}-{look}.png")
            found = await self.page.evaluate(_LIGHT, b64encode(picture).decode())
            problems += [
                f"{look}: {place} is {'light' if is_light else 'dark'}"
                for place, is_light in found.items()
                if is_light != (scheme == "light")
            ]
            problems += [f"{look}: {one}" for one in await self._inaccessible(without)]
            wide = await self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
            if wide > 0:
                problems.append(f"{look}: {wide} pixels too wide")
        await self.page.emulate_media(color_scheme="light")
        await self.page.set_viewport_size(usual)  # type: ignore[arg-type]
        assert problems == [], json.dumps(problems, indent=1)

    async def _inaccessible(self, without: str | None) -> list[str]:
        if await self.page.evaluate("typeof axe === 'undefined'"):
            await self.page.evaluate(self._axe)
        found = await self.page.evaluate(
            _AXE_RUN, [_ROWS_BUT_FIVE, *([without] if without else [])]
        )
        return [
            f"{one['id']}: {one['help']}: {[node['html'][:200] for node in one['nodes']]}"
            for one in found["violations"]
        ]
