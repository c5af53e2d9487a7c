"""One command: `python -m bench.counting --items 10000000`."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path

import asyncpg
import uvloop

from bench.counting import agreement, freshness, goals, load, page, writing
from bench.counting.columnar import VERSIONS, ClickHouse, DuckDb, export
from bench.counting.cube import Cube, CubeError, cube_server
from bench.counting.data import Items
from bench.counting.engines import BarePartitioned, BareRollups, BareSql, Engine, OverHttp
from bench.counting.goals import Figures
from bench.counting.http_line import HttpError
from bench.counting.processes import rivals
from bench.counting.questions import MAIN, QUESTIONS, Question, reference
from bench.counting.rounds import take_turns
from bench.counting.system import System, running
from bench.page import commit
from shared.memory import keep_freed
from shared.runtime import KEPT_BYTES

ROOT = Path(__file__).resolve().parent.parent.parent
# Up to here the reference in plain Python checks the engines as well.
REFERENCE_ITEMS_MAX = 500_000
ROLLUPS_SECONDS_MAX = 60.0
# Of fewer items none is made by two columns: nothing to wait for.
ROLLUPS_ITEMS_MIN = 1_000_000
BY_COLUMNS = "columns-day"
CALLERS = (1, 16, 64)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.counting", description=__doc__)
    parser.add_argument("--items", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=30, help="turns of every engine")
    parser.add_argument("--minutes", type=float, default=30.0, help="of turns, quiet or not")
    parser.add_argument("--slow-every", type=int, default=3, help="turns of a slow engine's one")
    parser.add_argument("--seconds", type=float, default=2.0, help="of a round of many callers")
    parser.add_argument("--items-a-second", type=int, default=500, help="recorded meanwhile")
    parser.add_argument("--rows", type=int, default=200_000, help="written to measure writing")
    parser.add_argument("--questions", type=int, default=4_000, help="asked to find a stale one")
    parser.add_argument("--run-dir", type=Path, default=ROOT / ".run" / "bench")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "benchmarks.md")
    parser.add_argument("--only-writing", action="store_true", help="say what recording costs")
    parser.add_argument("--no-cube", action="store_true", help="do not try to start Cube")
    return parser.parse_args()


def _told(text: str) -> None:
    sys.stderr.write(f"{text}\n")


async def measure(options: argparse.Namespace) -> None:
    load_before = os.getloadavg()[0]
    figures = Figures()
    async with AsyncExitStack() as stack:
        system = await stack.enter_async_context(running(options.run_dir, options.items))
        folder = system.stack.run_dir
        notes: list[str] = []
        engines = await _engines(system, folder)
        notes += await _rollups_asked_for(system, engines[0])
        if not notes:
            connection = await asyncpg.connect(system.database_url)
            ids = await _rollup_ids(system)
            engines.insert(3, BareRollups(goals.ROLLUPS, connection, system.whole, ids))
        if not options.no_cube:
            try:
                url = stack.enter_context(cube_server(system, folder))
                engines += [
                    Cube(goals.CUBE, url, is_cached=False),
                    Cube(goals.CUBE_CACHED, url, is_cached=True),
                ]
            except CubeError as error:
                notes.append(f"Cube was not measured: {error}")
        tenth = OverHttp(goals.TENTH, system.url, system.tenth)
        figures.cells = await _compare(system, options, engines, tenth)

        _told("questions, quiet")
        turns = {
            "rounds": options.rounds,
            "slow_every": options.slow_every,
            "seconds": 60 * options.minutes,
            "told": _told,
        }
        figures.quiet = await take_turns([*engines[:1], tenth, *engines[1:]], MAIN, **turns)
        others = [engine for engine in engines if engine.name in (goals.OURS, goals.RAW)]
        further = [q for q in QUESTIONS if q not in MAIN]
        figures.quiet |= await take_turns(others, further, **turns)

        _told("the hop")
        urls = stack.enter_context(rivals(system, folder))
        await _hop(system, options, figures, urls)

        _told("questions, while items are recorded")
        with load.recording(system, folder, options.items_a_second):
            figures.recording = await take_turns(engines, MAIN, **turns)
            for question in MAIN:
                calls = load.questions(question, system.whole, starts=load.STARTS_OF_A_CROWD)
                figures.crowd[question.name] = await load.press(
                    system.url, system.whole.token, calls, callers=16, seconds=2 * options.seconds
                )

        _told("writing")
        figures.writing = await writing.measure(system, options.rows, rounds=3)
        for callers in (1, 100):
            figures.writers.append(
                await writing.small_writers(system, callers=callers, seconds=options.seconds)
            )
        _told("freshness")
        figures.freshness = await freshness.measure(system, questions=options.questions, callers=8)
        _told("once more, after all that was recorded")
        figures.cells += await agreement.require(engines[:2], QUESTIONS)
        for engine in [*engines, tenth]:
            await engine.close()
    if load_before > (os.cpu_count() or 1):
        notes.append(
            "The machine was busy with other work: the figures are not those of a quiet one, and "
            "ways that take several processes are likely to suffer most. Run it again."
        )
    found = goals.verdicts(figures)
    page.show(figures, found)
    setting = page.Setting(
        command=f"python -m bench.counting {' '.join(sys.argv[1:])}".strip(),
        commit=commit(),
        items=options.items,
        largest=options.items * 46 // 100,
        rounds=len(figures.recording["a", goals.OURS].taken),
        slow_rounds=len(figures.recording["a", goals.RAW].taken),
        items_a_second=options.items_a_second,
        load_before=load_before,
        load_behind=os.getloadavg()[0],
        versions=system_versions(),
        notes=notes,
    )
    page.write(options.page, page.section(figures, found, setting))


def system_versions() -> dict[str, str]:
    return {"PostgreSQL": "18", **VERSIONS}


async def _engines(system: System, folder: Path) -> list[Engine]:
    """Ours, then bare SQL, then those in this process."""
    csv = folder / "items.csv"
    if not (folder / "items.chdb").exists():
        await export(system, csv)
    sql = [await asyncpg.connect(system.database_url) for _ in range(2)]
    engines: list[Engine] = [
        OverHttp(goals.OURS, system.url, system.whole),
        BareSql(goals.RAW, sql[0], system.whole),
        BarePartitioned(goals.PARTITIONED, sql[1], system.whole),
        DuckDb(folder, system.whole.largest),
        ClickHouse(folder, system.whole.largest),
    ]
    csv.unlink(missing_ok=True)
    return engines


async def _rollups_asked_for(system: System, ours: Engine) -> list[str]:
    """Ask what goes by columns until the system has made itself rollups for it, as it does for
    anybody who asks often; for a tenth of the items too. Of few items it makes none: what did not
    become cheap is told."""
    tenth = OverHttp(goals.TENTH, system.url, system.tenth)
    raw = []
    for engine in (ours, tenth):
        for question in (q for q in MAIN if q.columns):
            plan, asked, late = "", 0, 0
            enough = system.whole.items >= ROLLUPS_ITEMS_MIN
            deadline = time.monotonic() + (ROLLUPS_SECONDS_MAX if enough else 3.0)
            while plan != BY_COLUMNS and time.monotonic() < deadline:
                asked += 1
                try:
                    await engine.ready()
                    plan = (await engine.ask(question)).header("tallyport-plan")
                except HttpError:  # of so many items, raw and cold, not within the deadline
                    late += 1
                    await engine.close()
                await asyncio.sleep(0.2)
            _told(f"{engine.name}, ({question.name}): {plan} after {asked} questions, {late} late")
            if plan != BY_COLUMNS:
                raw.append(f"{engine.name}: ({question.name}) was answered by the plan {plan}")
    await tenth.close()
    return raw


async def _rollup_ids(system: System) -> dict[tuple[int, ...], int]:
    async with system.database.acquire() as connection:
        rows = await connection.fetch(
            """SELECT columns, rollup_id FROM rollups
                WHERE store_id = $1 AND register_id = $2 AND grain = 'day'""",
            system.whole.store_id,
            system.whole.largest,
        )
    return {tuple(int(c.removeprefix("meta")) for c in r["columns"]): r["rollup_id"] for r in rows}


async def _compare(
    system: System, options: argparse.Namespace, engines: list[Engine], tenth: Engine
) -> int:
    cells = await agreement.require(engines, MAIN)
    everywhere = [engine for engine in engines if not isinstance(engine, BareRollups | Cube)]
    cells += await agreement.require(everywhere, QUESTIONS)
    connection = await asyncpg.connect(system.database_url)
    cells += await agreement.require([BareSql("bare", connection, system.tenth), tenth], QUESTIONS)
    await connection.close()
    if options.items <= REFERENCE_ITEMS_MAX:
        largest = [item for item in Items(options.items) if item.register == 0]
        for question in QUESTIONS:
            wanted = reference(question, largest)
            cells += await agreement.require([engines[0]], [question], against=wanted)
    _told(f"{cells:,} cells compared, all equal")
    return cells


async def _hop(
    system: System, options: argparse.Namespace, figures: Figures, urls: dict[str, str]
) -> None:
    asked = load.questions(_hop_question(), system.whole)
    targets = {
        goals.OURS: (system.url, asked),
        goals.PLAIN: (urls["plain"], asked),
        goals.AIO_PIKA: (urls["aio-pika"], asked),
        goals.FASTSTREAM: (urls["faststream"], asked),
    }
    token = system.whole.token
    for callers in CALLERS:
        figures.hop[callers] = await load.in_turns(
            targets, token, callers=callers, seconds=options.seconds, rounds=5
        )
    figures.alone = await load.in_turns(
        {
            goals.GATEWAY: (system.url, lambda _: ("OPTIONS", "/reports", b"")),
            goals.BARE: (urls["plain"], lambda _: ("OPTIONS", "/bare", b"")),
        },
        token,
        callers=64,
        seconds=options.seconds,
        rounds=5,
    )


def _hop_question() -> Question:
    return MAIN[1]


async def measure_writing(options: argparse.Namespace) -> None:
    """On stdout; nothing is written to the page."""
    async with running(options.run_dir, options.items) as system:
        found = await writing.measure(system, options.rows, rounds=options.rounds)
    for name, figure in asdict(found).items():
        sys.stdout.write(f"{name}: {figure if isinstance(figure, dict) else round(figure)}\n")


def main() -> None:
    options = _arguments()
    # As in a service: a part of the recorder runs here.
    keep_freed(KEPT_BYTES)
    uvloop.run((measure_writing if options.only_writing else measure)(options))


if __name__ == "__main__":
    main()
