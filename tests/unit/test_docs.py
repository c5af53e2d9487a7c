"""The documents say what the code says: links, commands, settings, messages, metrics, columns.

Nothing here starts anything. What is compared is read from the pages as a reader would: tables,
code spans and code blocks.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
import runpy
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import typer
from aiohttp import web
from prometheus_client import REGISTRY

import shared.contracts
from cli.__main__ import app
from services.gateway.routes import add_routes
from services.report_worker.exports.catalog import EXPORTS
from services.report_worker.exports.definition import Measure
from services.report_worker.exports.document import made_anew
from shared.contracts import routes
from shared.contracts.failures import FailureCode
from shared.contracts.message import Contract, Message
from shared.messaging.topology import REPLY_QUEUE_PREFIX, TOPOLOGY
from tests.unit.test_settings_example import (
    default_of,
    documented,
    documented_for_compose,
    fields_of_code,
    read_as,
)

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
OF_OTHERS = {"node_modules", "build", "dist", "static"}


def files() -> Iterator[Path]:
    """Everything of ours, without what is installed or built."""
    for folder, inner, names in os.walk(ROOT):
        inner[:] = [one for one in inner if one[0] != "." and one not in OF_OTHERS]
        yield from (Path(folder) / name for name in names)


PAGES = sorted(path for path in files() if path.suffix == ".md")
# Links and pictures, in Markdown and in HTML.
LINK = re.compile(r"""\[[^\]]*\]\(([^)\s]+)\)|(?:href|src)=["']([^"']+)["']""")
NAMED = re.compile(
    r"(?<![/\w])(?:docs|deploy|samples|scripts)/[\w./-]*\w\.(?:md|py|sh|yml|json|png|gz)\b"
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`]+)`")
VARIABLE = re.compile(r"\b(?:TALLYPORT_[A-Z_]*[A-Z]|REPORT_RETENTION_DAYS|DOWNLOAD_LINK_SECONDS)\b")
KIND = re.compile(r"^[a-z_]+(?:\.[a-z_]+)+\.v\d+$")
# Read by the tests, which are no part of what runs.
OF_TESTS = {"TALLYPORT_TEST_ENGINES"}


def every_page() -> Any:
    return pytest.mark.parametrize(
        "page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix()
    )


def prose(page: Path) -> str:
    """The page without its code blocks."""
    return FENCE.sub("", page.read_text())


def spans(page: Path) -> set[str]:
    """What stands in code spans, which may go over the end of a line."""
    return {" ".join(span.split()) for span in SPAN.findall(prose(page))}


def commands(page: Path) -> Iterator[str]:
    """Code spans and the lines of shell blocks, comments and continuations resolved."""
    yield from spans(page)
    for language, block in FENCE.findall(page.read_text()):
        if language in ("", "sh", "bash"):
            yield from block.replace("\\\n", " ").splitlines()


def called(page: Path, *names: str) -> Iterator[list[str]]:
    """The words behind each call of one of the commands."""
    for command in commands(page):
        for name in names:
            match = re.match(rf"(?:export \w+=\$\()?{re.escape(name)} (?P<words>.*?)\)?$", command)
            if match:
                yield shlex.split(match["words"], comments=True)


def links(page: Path) -> Iterator[str]:
    """Where links and pictures lead."""
    for in_markdown, in_html in LINK.findall(prose(page)):
        yield in_markdown or in_html


def anchors(page: Path) -> set[str]:
    """The names that a Markdown page gives its headings."""
    found = set()
    for heading in re.findall(r"^#{1,6} (.+)$", prose(page), re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", heading.lower())
        found.add(plain.replace(" ", "-"))
    return found


def tables(text: str) -> Iterator[tuple[list[str], list[list[str]]]]:
    """(header, rows) of each table."""
    for table in re.findall(r"(?:^\|.*\|$\n?)+", text, re.MULTILINE):
        lines = [
            [cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()
        ]
        yield lines[0], lines[2:]


def sections(page: Path, level: int) -> dict[str, str]:
    """Heading to what stands under it, up to the next heading of any level."""
    parts = re.split(r"^(#+) (.+)$", page.read_text(), flags=re.MULTILINE)[1:]
    triples = zip(parts[::3], parts[1::3], parts[2::3], strict=True)
    return {heading.strip("`"): text for marks, heading, text in triples if len(marks) == level}


def codes(cell: str) -> list[str]:
    return SPAN.findall(cell)


# --- links ---------------------------------------------------------------------------------------


@every_page()
def test_links_lead_somewhere(page: Path) -> None:
    for target in links(page):
        if re.match(r"[a-z]+:", target):
            assert re.match(r"https://[\w.-]+\.\w+(/|$)", target), target
            continue
        path, _, fragment = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f"{target} does not exist"
        assert found.is_relative_to(ROOT), f"{target} leaves the repository"
        if fragment:
            assert fragment in anchors(found), f"{target}: no such heading"


def test_the_readme_leads_to_every_document() -> None:
    led_to = {(ROOT / target.partition("#")[0]).resolve() for target in links(ROOT / "README.md")}
    assert {*DOCS.glob("*.md")} <= led_to


def test_files_that_are_named_exist() -> None:
    """In the code and in comments too: a page that was moved is still named there."""
    found = 0
    for path in files():
        if path.suffix in (".py", ".md", ".sql", ".ts", ".tsx", ".sh", ".yml", ".toml", ""):
            for name in NAMED.findall(path.read_text(errors="replace")):
                found += 1
                beside = path.parent / name
                assert (ROOT / name).exists() or beside.exists(), f"{path}: {name}"
    assert found > 100


def test_every_document_can_be_found() -> None:
    index = DOCS / "README.md"
    linked = {(DOCS / target.partition("#")[0]).resolve() for target in links(index)}
    assert set(DOCS.rglob("*.md")) - {index} <= linked


def test_decisions_are_numbered_and_say_what_follows() -> None:
    pages = sorted((DOCS / "decisions").glob("*.md"))
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    for page in pages:
        text = page.read_text()
        assert text.startswith(f"# {page.name[:4]} ")
        assert [*re.findall(r"^\*\*(\w+)\.\*\*", text, re.MULTILINE)] == [
            *("Context", "Decision", "Consequences")
        ], page.name


# --- commands ------------------------------------------------------------------------------------


def targets() -> set[str]:
    found = re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return set(found)


@every_page()
def test_make_has_what_is_named(page: Path) -> None:
    for words in called(page, "make"):
        assert words[0] in targets(), f"make {' '.join(words)}"


def test_the_readme_names_its_two_commands() -> None:
    named = {words[0] for words in called(ROOT / "README.md", "make")}
    assert {"demo", "test"} <= named
    assert "docker compose up --wait" in (ROOT / "README.md").read_text()


def resolve(words: list[str]) -> click.Command:
    """The command that these words call. Fails where a word or an option is unknown."""
    command: Any = typer.main.get_command(app)
    rest = [*words]
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        assert rest[0] in command.commands, f"tallyport {' '.join(words)}: no {rest[0]}"
        command = command.commands[rest.pop(0)]
    options = {name for parameter in command.params for name in parameter.opts} | {"--help"}
    for word in rest:
        if word.startswith("--"):
            assert word in options, f"tallyport {' '.join(words)}: no {word}"
    return command  # type: ignore[no-any-return]


@every_page()
def test_the_command_line_has_what_is_named(page: Path) -> None:
    for words in called(page, "tallyport", ".venv/bin/tallyport", "python -m cli"):
        resolve(words)


def test_what_is_no_command_is_found_out() -> None:
    with pytest.raises(AssertionError, match="no forget"):
        resolve(["report", "forget"])
    with pytest.raises(AssertionError, match="no --colour"):
        resolve(["report", "create", "customers", "--colour"])


@every_page()
def test_modules_that_are_run_exist(page: Path) -> None:
    for command in commands(page):
        for name in re.findall(r"python -m ((?:services|devstack|cli)[\w.]*)", command):
            assert importlib.util.find_spec(name), name


# --- settings ------------------------------------------------------------------------------------


def variables_of_the_command_line() -> set[str]:
    def walk(command: Any) -> Iterator[str]:
        for parameter in command.params:
            if isinstance(parameter.envvar, str):
                yield parameter.envvar
        for inner in getattr(command, "commands", {}).values():
            yield from walk(inner)

    return set(walk(typer.main.get_command(app)))


@every_page()
def test_variables_exist(page: Path) -> None:
    known = {*documented(), *documented_for_compose(), *variables_of_the_command_line(), *OF_TESTS}
    assert set(VARIABLE.findall(page.read_text())) <= known


def test_all_settings_are_listed_with_the_defaults_of_the_code() -> None:
    page = (DOCS / "operation.md").read_text()
    assert runpy.run_path(str(ROOT / "scripts/settings_table.py"))["made_anew"](page) == page, (
        "make docs"
    )
    # And they are there to be read, by other means than those they were made with.
    listed = {
        codes(row[0])[0]: row[1:]
        for header, rows in tables(page.partition("## All settings")[2])
        if header == ["setting", "default", "meaning"]
        for row in rows
    }
    code = fields_of_code()
    assert {*code} <= {*listed} <= {*code, *documented_for_compose()}
    for name, fields in code.items():
        written, meaning = listed[name]
        has_default, default = default_of(fields)
        assert meaning, name
        if not has_default:
            assert written == "none", name
        elif written == "empty":
            assert default in (None, ""), name
        else:
            assert read_as(fields[0], codes(written)[0]) == default, name


# --- messages ------------------------------------------------------------------------------------


def contracts() -> dict[str, type[Contract]]:
    """Every class that travels: messages by kind, what they are made of by name."""
    found: dict[str, type[Contract]] = {}
    for one in pkgutil.iter_modules(shared.contracts.__path__, "shared.contracts."):
        module = importlib.import_module(one.name)
        for value in vars(module).values():
            if not (isinstance(value, type) and issubclass(value, Contract)):
                continue
            if value not in (Contract, Message):
                name = value.KIND if issubclass(value, Message) else value.__name__
                found[name] = value
    return found


MESSAGES = DOCS / "messages.md"


def test_every_command_has_its_queue_and_replies() -> None:
    written = {
        codes(row[0])[0]: (codes(row[1]), codes(row[2]))
        for header, rows in tables(MESSAGES.read_text())
        if header == ["kind", "queue", "replies"]
        for row in rows
    }
    assert written == {
        kind: (
            [one.name for one in (routes.BUILD_SMALL, routes.BUILD_LARGE)]
            if route.queue is routes.BUILD_SMALL
            else [route.queue.name],
            [reply.KIND for reply in route.replies],
        )
        for kind, route in routes.ROUTES.items()
    }


def test_every_event_stands_under_events() -> None:
    text = MESSAGES.read_text()
    under = text[text.index("\n## Events") : text.index("\n## Records")]
    written = {
        match for match in re.findall(r"^### `(.+)`$", under, re.MULTILINE) if KIND.match(match)
    }
    assert written == set(routes.EVENTS)


def test_every_contract_is_described_and_no_other() -> None:
    assert set(sections(MESSAGES, level=3)) == set(contracts())


@pytest.mark.parametrize("name", sorted(contracts()))
def test_the_fields_of_a_contract_are_those_of_the_code(name: str) -> None:
    ((header, rows),) = tables(sections(MESSAGES, level=3)[name])
    assert header == ["field", "required", "meaning"]
    envelope = set(Message.model_fields)
    cls = contracts()[name]
    ours = {
        field: "yes" if info.is_required() else "no"
        for field, info in cls.model_fields.items()
        if not (issubclass(cls, Message) and field in envelope)
    }
    assert {codes(row[0])[0]: row[1] for row in rows} == ours
    named = {code for row in rows for code in codes(row[2]) if code[:1].isupper()}
    assert named <= {*contracts(), "YYYY-MM-DD"}


def test_the_envelope_and_the_codes_are_those_of_the_code() -> None:
    ((_, envelope),) = (
        table
        for table in tables(sections(MESSAGES, level=2)["Sending a command"])
        if table[0] == ["field", "meaning"]
    )
    assert [codes(row[0])[0] for row in envelope] == [*Message.model_fields]
    ((_, rows),) = tables(sections(MESSAGES, level=3)["failure.v1"])
    assert codes(rows[0][2]) == [code.value for code in FailureCode]


def test_kinds_that_are_named_exist() -> None:
    for page in PAGES:
        for span in spans(page):
            if KIND.match(span):
                assert span in contracts(), f"{page.name}: {span}"


def test_queues_and_exchanges_are_those_of_the_topology() -> None:
    messaging = [*tables(sections(DOCS / "architecture.md", level=2)["Messaging"])]
    exchanges = {codes(row[0])[0]: row[1] for row in messaging[0][1]}
    assert exchanges == {one.name: one.type for one in TOPOLOGY.exchanges}
    queues = {codes(row[0])[0]: row[1:] for row in messaging[1][1]}
    assert queues.pop(f"{REPLY_QUEUE_PREFIX}*")[0] == "classic, exclusive"
    assert {name: cells[0] for name, cells in queues.items()} == {
        queue.name: queue.type.value for queue in TOPOLOGY.queues
    }
    for queue in routes.QUEUES:
        unit, divisor = ("MiB", routes.MIB) if queue.body_bytes_max >= routes.MIB else ("KiB", 1024)
        size = f"{queue.body_bytes_max // divisor} {unit}"
        assert queues[queue.name][1:] == [queue.owner.value, str(queue.prefetch), size]


def test_dotted_names_of_ours_exist_on_the_broker() -> None:
    known = {one.name for one in (*TOPOLOGY.exchanges, *TOPOLOGY.queues)}
    for page in PAGES:
        for span in spans(page):
            if re.fullmatch(r"tallyport(?:\.[a-z]+)+", span):
                assert span in known, f"{page.name}: {span}"


# --- calls, metrics, columns ---------------------------------------------------------------------


def test_calls_that_are_described_exist() -> None:
    application = web.Application()
    add_routes(application)
    served = {
        (route.method, re.sub(r"\{(\w+):.*?\}(?=/|$)", r"{\1}", route.resource.canonical))
        for route in application.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    described = {
        (method, path)
        for span in spans(DOCS / "http.md")
        for method, path in re.findall(r"^(GET|POST|PATCH|DELETE|OPTIONS) (/\S*)$", span)
    }
    measures = {("POST", f"/reports/item_{name}") for name in ("count", "sum", "average")}
    assert ("POST", "/reports/{measure}") in served
    assert measures <= described
    of_operations = {("GET", f"/{name}") for name in ("healthz", "readyz", "metrics")}
    assert described <= served | measures | of_operations


def test_metrics_that_are_listed_exist() -> None:
    for module in (
        "services.gateway.admission",
        "services.gateway.connections",
        "services.gateway.middlewares",
        "services.gateway.report_watch",
        "services.aggregator.metrics",
        "services.recorder.metrics",
        "services.report_worker.handlers",
        "services.report_worker.reaper",
        "shared.database.pool",
        "shared.database.replica",
        "shared.messaging.metrics",
        "shared.objects.metrics",
        "shared.operations",
        "shared.relay",
    ):
        importlib.import_module(module)
    ours = {
        metric.name + ("_total" if metric.type == "counter" else "")
        for metric in REGISTRY.collect()
        if metric.name.startswith("tallyport_")
    }
    ((_, rows),) = tables(sections(DOCS / "operation.md", level=2)["Metrics"])
    assert {codes(row[0])[0] for row in rows} == ours


def test_the_columns_of_reports_are_those_of_the_code() -> None:
    page = (DOCS / "reports.md").read_text()
    assert made_anew(page) == page, "make docs"
    # And they are there to be read, by other means than those they were made with.
    headings = {**sections(DOCS / "reports.md", level=2), **sections(DOCS / "reports.md", level=3)}
    for export in EXPORTS.values():
        for file in export.files:
            ((header, rows),) = tables(headings[file.name])
            assert header == ["column", "type", "meaning"]
            assert [(codes(row[0])[0], row[1], row[2]) for row in rows] == [
                (column.name, column.type.value, column.meaning) for column in file.columns
            ]


def test_control_totals_stand_in_the_table_with_those_who_tell_them() -> None:
    ((_, rows),) = tables(sections(DOCS / "reports.md", level=2)["Control totals"])
    told = {measure: row[1] for row in rows for measure in codes(row[0])}
    assert set(told) == set(Measure)
    for export in EXPORTS.values():
        for file in export.files:
            for measure in file.totals:
                named = f"`{file.name}`" in told[measure]
                assert named or (
                    file.name.startswith("summary_") and "three summaries" in told[measure]
                )


# --- examples ------------------------------------------------------------------------------------


@every_page()
def test_python_examples_compile_and_import_what_exists(page: Path) -> None:
    for language, block in FENCE.findall(page.read_text()):
        if language == "python":
            compile(block, page.name, "exec")
            for module, names in re.findall(r"^from (shared\.\S+) import (.+)$", block, re.M):
                found = importlib.import_module(module)
                assert all(hasattr(found, name.strip()) for name in names.split(","))


def test_the_changelog_knows_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    headings = re.findall(r"^## \[?([^\]\s]+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[:2] == ["Unreleased", version]
