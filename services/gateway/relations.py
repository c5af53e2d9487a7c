"""The relations of our links, each with its page: what it means, and the calls that it leads to.

Comes in: the name that a curie was filled with. Goes out: a page for people.
"""

from __future__ import annotations

from html import escape
from typing import NamedTuple


class Relation(NamedTuple):
    """What it means, and the calls at the other end, as `/docs` names them (tag and operation)."""

    meaning: str
    calls: tuple[str, ...] = ()


RELATIONS = {
    "reports": Relation(
        "The store's reports, a page at a time. POST asks for one, and is answered at once with "
        "its resource; a worker builds it.",
        ("reports/listReports", "reports/createReport"),
    ),
    "report": Relation(
        "A report: what was asked for, how far it is, and, once ready, its file.",
        ("reports/findReport", "reports/removeReport"),
    ),
    "download_url": Relation(
        "A signed link to the report's file. It works for minutes; every GET of the report makes "
        "a new one. It is there only while the file is, and needs no token.",
        ("reports/findReport",),
    ),
    "events": Relation(
        "What becomes of a report, told as it happens: a stream of server-sent events (progress, "
        "then ready, failed or removed), each with the report as it is then. It is there while "
        "there is something to wait for.",
        ("reports/followReport",),
    ),
    "store": Relation(
        "The store that the caller acts for: its name, zone and currency.", ("entry/findStore",)
    ),
    "user": Relation("The user who asked for the report.", ("entry/findUser",)),
    "errors": Relation(
        "What is wrong with a request, one entry for each thing: message says it, logref is the "
        "entry's own name, for asking about it."
    ),
    "registers": Relation(
        "The store's ledgers. POST makes one.",
        ("registers/listRegisters", "registers/createRegister"),
    ),
    "items": Relation(
        "The lines of a ledger. POST appends to it; nothing is ever changed or removed.",
        ("items/listItems", "records/recordItems"),
    ),
    "item_count": Relation(
        "POST: how many items, grouped by period and by columns.", ("numbers/countItems",)
    ),
    "item_sum": Relation(
        "POST: the sum of the items' amounts, exact, grouped by period and by columns.",
        ("numbers/sumItems",),
    ),
    "item_average": Relation(
        "POST: the average of the items' amounts, not rounded, grouped by period and by columns.",
        ("numbers/averageItems",),
    ),
    "query": Relation(
        "POST: several measures at once, with filters, an order, the rest gathered as other, "
        "totals, and the period before beside it.",
        ("analyses/queryItems",),
    ),
}


def page_of(name: str) -> str | None:
    """The page, or None where there is no such relation."""
    relation = RELATIONS.get(name)
    if relation is None:
        return None
    calls = "".join(
        f'<li><a href="../docs#/{escape(call)}">{escape(call.partition("/")[2])}</a></li>'
        for call in relation.calls
    )
    others = ", ".join(f'<a href="{one}">{one}</a>' for one in RELATIONS if one != name)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>fx:{escape(name)}: a relation of Tallyport</title>"
        f"<main><h1>fx:{escape(name)}</h1><p>{escape(relation.meaning)}</p>"
        + (f"<p>The calls that it leads to:</p><ul>{calls}</ul>" if calls else "")
        + f"<p>Others: {others}.</p></main></html>"
    )
