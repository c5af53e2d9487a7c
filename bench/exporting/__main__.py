"""One command: `python -m bench.exporting --rows 5000000`."""

from __future__ import annotations

import argparse
import asyncio
import csv
import io
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.request import urlopen

import psutil
import uvloop

from bench.exporting import goals, ours, pipes, section, waiting
from bench.exporting.goals import OURS, PANDAS, TASK, Figures
from bench.exporting.system import ZONE, Dataset, System, processes, running
from bench.exporting.usage import Usage, forget_peak, peak_mib, processor_seconds
from bench.page import ROOT, commit, write
from services.report_worker.exports.complete.archive import COMPLETE

# Enough to compare cell by cell; and what `complete` is compared on.
FEW_TRANSACTIONS = 20_000
FORMATS = ("csv", "jsonl", "xlsx", "parquet")
# Until PostgreSQL has counted what a connection that ended has used.
REAPED_SECONDS = 0.3


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.exporting", description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--transactions", type=int, default=1_000_000, help="of `complete`")
    parser.add_argument(
        "--rounds", type=int, default=3, help="turns of ours and of what it is held to"
    )
    parser.add_argument(
        "--slow-seconds", type=float, default=600.0, help="no slow way is waited for longer"
    )
    parser.add_argument("--formats-rows", type=int, default=1_000_000, help="at most")
    parser.add_argument("--short", type=int, default=20, help="short reports, alone and beside")
    parser.add_argument("--data-only", action="store_true", help="make the rows, and end")
    parser.add_argument("--run-dir", type=Path, default=ROOT / ".run" / "bench")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "benchmarks.md")
    return parser.parse_args()


def _told(text: str) -> None:
    sys.stderr.write(f"{text}\n")


class Bench:
    """One run of everything."""

    def __init__(self, system: System, options: argparse.Namespace, folder: Path) -> None:
        self.system = system
        self.options = options
        self.folder = folder
        self.figures = Figures()
        self.csv_bytes: dict[int, int] = {}
        self.taking_part = processes(system)
        (self.worker,) = self.taking_part["worker"]
        found = shutil.which("psql")
        if found is None:
            raise SystemExit("psql is needed, to be measured beside")
        self.psql = found

    async def run(self) -> None:
        await self.compare(self.system.datasets[0])
        await self.compare_complete(self.system.sales[0])
        _told("complete")
        await self.complete(self.system.sales[-1])
        for dataset in self.system.datasets:
            _told(f"{dataset.rows:,} rows")
            await self.ways(dataset)
        await self.formats()
        _told("a short report, alone and beside long ones")
        self.figures.alone = await waiting.alone(self.system, self.options.short)
        self.figures.beside = await waiting.beside(
            self.system, self.system.datasets[-1], self.options.short
        )

    async def compare(self, dataset: Dataset) -> None:
        """Cell by cell: ours, unpacked, and what the task with a cursor writes."""
        built = await ours.build(self.system, dataset)
        link = built.resource["_links"]["fx:download_url"]["href"]
        data = await asyncio.to_thread(_fetch, link)
        if data.startswith(b"PK"):
            data = _unzipped(data)["customers.csv"]
        await ours.remove(self.system, dataset, built)
        path = self.folder / "task.csv"
        self.rival("task", dataset, keep=path)
        mine = csv.reader(io.StringIO(data.decode(), newline=""))
        with path.open(newline="", encoding="utf-8") as theirs:
            for count, (left, right) in enumerate(zip(mine, csv.reader(theirs), strict=True)):
                if left != right:
                    raise SystemExit(f"row {count}: {left} is not {right}")
        self.figures.rows_compared = count

    async def compare_complete(self, dataset: Dataset) -> None:
        """Byte by byte, but for the headers (psql has no names for what is computed) and the ends
        of lines: none of these texts holds one."""
        built = await ours.build(self.system, dataset, name="complete")
        link = built.resource["_links"]["fx:download_url"]["href"]
        mine = _unzipped(await asyncio.to_thread(_fetch, link))
        await ours.remove(self.system, dataset, built)
        lines = pipes.complete_commands(self.system, dataset, self.psql, self.folder)
        self.pipe(lines[pipes.NINE_ZIP])
        for file in COMPLETE.files:
            (theirs,) = _unzipped((self.folder / f"{file.name}.zip").read_bytes()).values()
            rows, others = (data.splitlines()[1:] for data in (mine[f"{file.name}.csv"], theirs))
            if rows != others:
                raise SystemExit(f"{file.name}: {len(rows)} rows are not psql's {len(others)}")
            self.figures.complete_rows_compared += len(rows)

    async def complete(self, dataset: Dataset) -> None:
        taken = self.figures.complete
        lines = pipes.complete_commands(self.system, dataset, self.psql, self.folder)
        for turn in range(self.options.rounds):
            forget_peak(self.worker)
            before = self.used()
            built = await ours.build(self.system, dataset, name="complete")
            used = self.used()
            usage = {name: used[name] - before[name] for name in used}
            taken.setdefault(OURS, []).append(
                Usage(built.ready, usage, built.bytes_out, peak_mib(self.worker))
            )
            await ours.remove(self.system, dataset, built)
            for name, line in lines.items():
                if turn == 0 or name == pipes.NINE_ZIP:
                    taken.setdefault(name, []).append(self.pipe(line))
        files = built.resource["files"]
        self.figures.complete_rows = sum(file["rows"] for file in files)
        self.figures.complete_bytes = sum(file["bytes"] for file in files)
        _tell_all(taken)

    async def ways(self, dataset: Dataset) -> None:
        taken = self.figures.ways.setdefault(dataset.rows, {})
        lines = pipes.commands(self.system, dataset, self.psql, self.folder)
        for turn in range(self.options.rounds):
            taken.setdefault(OURS, []).append(await self.ours(dataset, "csv"))
            for name, line in lines.items():
                if turn == 0 or name == pipes.ZIP:
                    taken.setdefault(name, []).append(self.pipe(line))
        # Of the slow ones, the largest is what counts, and the smallest is soon done.
        if dataset in (self.system.datasets[0], self.system.datasets[-1]):
            for name, kind in ((TASK, "task"), (PANDAS, "pandas")):
                try:
                    taken[name] = [self.rival(kind, dataset)]
                except subprocess.TimeoutExpired:
                    _told(f"  {name}: ended after {self.options.slow_seconds:.0f} s")
        _tell_all(taken)

    async def formats(self) -> None:
        fitting = [d for d in self.system.datasets if d.rows <= self.options.formats_rows]
        dataset = (fitting or self.system.datasets[:1])[-1]
        self.options.formats_rows = dataset.rows
        for name in FORMATS:
            self.figures.formats[name] = await self.ours(dataset, name)

    async def ours(self, dataset: Dataset, format_: str) -> Usage:
        forget_peak(self.worker)
        before = self.used()
        built = await ours.build(self.system, dataset, format_)
        after = self.used()
        if format_ == "csv":
            self.csv_bytes[dataset.rows] = built.resource["files"][0]["bytes"]
        await ours.remove(self.system, dataset, built)
        used = {name: after[name] - before[name] for name in after}
        return Usage(built.ready, used, built.bytes_out, peak_mib(self.worker))

    def pipe(self, line: str) -> Usage:
        out = self.folder / "out"
        out.unlink(missing_ok=True)
        argv = ["bash", "-o", "pipefail", "-c", line]
        limit = ours.BUILD_SECONDS_MAX

        def run() -> None:
            subprocess.run(argv, check=True, timeout=limit)  # noqa: S603

        return self.process(run, out)

    def rival(self, kind: str, dataset: Dataset, keep: Path | None = None) -> Usage:
        told: dict[str, float] = {}
        arguments = [kind] if keep is None else [kind, str(keep)]

        def run() -> None:
            done = subprocess.run(  # noqa: S603 - a module of ours
                [sys.executable, "-m", "bench.exporting.rivals", *arguments],
                cwd=ROOT,
                input=pipes.plain_select(dataset.store_id).encode(),
                stdout=subprocess.PIPE,
                check=True,
                timeout=self.options.slow_seconds,
                env=os.environ
                | {
                    "BENCH_DATABASE_URL": self.system.database_url,
                    "BENCH_ZONE": ZONE,
                    "BENCH_STORE": self.system.stack.engines.object_store.model_dump_json(),
                },
            )
            told.update(json.loads(done.stdout))

        usage = self.process(run, None)
        return Usage(usage.seconds, usage.processor, int(told["bytes"]), told["peak_mib"])

    def process(self, run: Callable[[], None], out: Path | None) -> Usage:
        """Something outside, timed, with what the database and the store did for it."""
        before = self.used()
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.perf_counter()
        run()
        seconds = time.perf_counter() - began
        time.sleep(REAPED_SECONDS)
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        after = self.used()
        used = {name: after[name] - before[name] for name in ("PostgreSQL", "object store")} | {
            "itself": ended.ru_utime + ended.ru_stime - children.ru_utime - children.ru_stime
        }
        size = out.stat().st_size if out is not None and out.exists() else 0
        return Usage(seconds, used, size)

    def used(self) -> dict[str, float]:
        return {name: processor_seconds(those) for name, those in self.taking_part.items()}


def _tell_all(taken: dict[str, list[Usage]]) -> None:
    for name, usages in taken.items():
        _told(f"  {name}: {goals.median(usages):.2f} s")


def _unzipped(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _fetch(link: str) -> bytes:
    with urlopen(link) as response:  # noqa: S310 - our own store
        data: bytes = response.read()
    return data


def _sizes(rows: int) -> list[int]:
    return [size for size in (100_000, 1_000_000) if size < rows] + [rows]


async def measure(options: argparse.Namespace) -> None:
    load_before = psutil.getloadavg()[0]
    async with AsyncExitStack() as stack:
        system = await stack.enter_async_context(
            running(
                options.run_dir,
                _sizes(options.rows),
                [FEW_TRANSACTIONS, max(options.transactions, FEW_TRANSACTIONS)],
            )
        )
        if options.data_only:
            return
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=system.stack.run_dir)))
        bench = Bench(system, options, folder)
        await bench.run()
    notes = []
    if load_before > (os.cpu_count() or 1):
        notes.append(
            "The machine was busy with other work: the figures are not those of a quiet one. "
            "Run it again."
        )
    found = goals.verdicts(bench.figures)
    setting = section.Setting(
        command=f"python -m bench.exporting {' '.join(sys.argv[1:])}".strip(),
        commit=commit(),
        rounds=options.rounds,
        csv_bytes=bench.csv_bytes,
        formats_rows=options.formats_rows,
        load_before=load_before,
        notes=notes,
    )
    section.show(bench.figures, found, setting)
    write(options.page, "exporting", section.section(bench.figures, found, setting))


def main() -> None:
    uvloop.run(measure(_arguments()))


if __name__ == "__main__":
    main()
