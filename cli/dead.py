"""`tallyport dead`: what could not be handled, for the operator, straight on the broker.

Comes in: TALLYPORT_BROKER_URL, with a user that may read the dead-letter queue; and
TALLYPORT_DATABASE_URL for what is written down. Goes out: tables; messages on their queues again;
rows of `dead_letter_actions`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console

from cli.administration import connected, database_settings
from cli.broker_connection import opened_broker
from cli.command import Answer, command
from cli.dead_letter_desk import Desk, Done, Filter, actor
from cli.dead_shown import BODY_BYTES_MAX, letter_data, letter_shown, letters_table
from cli.outcomes import RefusedError, UnreachableError, UsageError
from cli.ranges import first_instant
from cli.tables import table
from shared.database import dead_letter_actions
from shared.database.pool import Database
from shared.messaging.dead_letter_queue import DeadLetterQueue, Look

LISTED_MAX = 10_000
DEALT_WITH_MAX = 10_000
COLUMNS_OF_ACTIONS = ("action_id", "started_at", "actor", "action", "result", "letter_id", "detail")

app = typer.Typer(help="Dead letters: what could not be handled.", no_args_is_help=True)

Ids = Annotated[
    list[str] | None,
    typer.Argument(metavar="ID...", help="The id that `list` shows, or a message's."),
]
InQueue = Annotated[str | None, typer.Option("--queue", help="Only from this queue.")]
OfKind = Annotated[str | None, typer.Option("--kind", help="Only of this kind: record.items.v1.")]
OfStore = Annotated[int | None, typer.Option("--store", min=1, help="Only of this store.")]
Reason = Annotated[
    str | None, typer.Option("--reason", help="Only with this code, or with this in its reason.")
]
Since = Annotated[
    str | None, typer.Option("--since", help="Only what died then or later; UTC without an offset.")
]
All = Annotated[bool, typer.Option("--all", help="All of them, when nothing else says which.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show which.")]
As = Annotated[str | None, typer.Option("--as", help="Your name, for the record.")]


@command(app, "list")
async def dead_list(
    *,
    queue: InQueue = None,
    kind: OfKind = None,
    store: OfStore = None,
    reason: Reason = None,
    since: Since = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=LISTED_MAX)] = 100,
) -> Answer:
    """Show dead letters, the oldest first; they stay where they are, in their order."""
    wanted = _filter(ids=None, queue=queue, kind=kind, store=store, reason=reason, since=since)
    async with _opened() as letters:
        look = await letters.look(wanted.matches, limit=limit)
    found = [one.letter for one in look.picked]
    title = f"Dead letters: {len(found)} shown{_rest(look)}"
    data = {"dead_letters": [one.as_data() for one in found], **_counts(look)}
    return Answer(data, letters_table(title, found))


@command(app, "show")
async def dead_show(
    *,
    letter_id: Annotated[str, typer.Argument(metavar="ID")],
    body_bytes: Annotated[
        int, typer.Option("--body-bytes", min=0, max=64 * 1024 * 1024, help="Of the body, at most.")
    ] = BODY_BYTES_MAX,
) -> Answer:
    """Show one dead letter: properties, headers, body."""
    wanted = Filter(ids=(letter_id,))
    async with _opened() as letters:
        look = await letters.look(wanted.matches, limit=1)
        wanted.refuse_unknown(look)
        data = letter_data(look.picked[0], body_bytes)
        shown = letter_shown(data, look.picked[0].shown_body, body_bytes)
    return Answer(data, shown)


@command(app, "redrive")
async def dead_redrive(
    *,
    ids: Ids = None,
    queue: InQueue = None,
    kind: OfKind = None,
    store: OfStore = None,
    reason: Reason = None,
    since: Since = None,
    everything: All = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=DEALT_WITH_MAX)] = 100,
    dry_run: DryRun = False,
    name: As = None,
) -> Answer:
    """Send dead letters back to the queues they came from. Twice does no harm."""
    wanted = _filter(ids=ids, queue=queue, kind=kind, store=store, reason=reason, since=since)
    _demand_choice(wanted, everything=everything)
    async with _opened() as letters:
        look = await letters.look(wanted.matches, limit=limit)
        wanted.refuse_unknown(look)
        if dry_run:
            return _would("be sent on", look)
        async with _desk(letters, name) as desk:
            done = await desk.redrive(look.picked)
        return _done("redriven", "sent on", done, look)


@command(app, "purge")
async def dead_purge(
    *,
    ids: Ids = None,
    queue: InQueue = None,
    kind: OfKind = None,
    store: OfStore = None,
    reason: Reason = None,
    since: Since = None,
    everything: All = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=DEALT_WITH_MAX)] = 100,
    dry_run: DryRun = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    name: As = None,
) -> Answer:
    """Throw dead letters away; what they were is written down."""
    wanted = _filter(ids=ids, queue=queue, kind=kind, store=store, reason=reason, since=since)
    _demand_choice(wanted, everything=everything)
    if not (yes or dry_run or sys.stdin.isatty()):
        raise UsageError("nobody is there to ask: say --yes, or --dry-run to see which")
    async with _opened() as letters:
        look = await letters.look(wanted.matches, limit=limit)
        wanted.refuse_unknown(look)
        if dry_run:
            return _would("be thrown away", look)
        if look.picked and not yes:
            await _ask(look)
        async with _desk(letters, name) as desk:
            done = await desk.purge(look.picked)
        return _done("purged", "thrown away", done, look)


@command(app, "history")
async def dead_history(
    *, limit: Annotated[int, typer.Option("--limit", min=1, max=LISTED_MAX)] = 100
) -> Answer:
    """Show what was done here, by whom and when; the newest first."""
    async with connected() as connection:
        found = await dead_letter_actions.newest(connection, limit=limit)
    for one in found:
        kept = one.pop("body_start")
        one["body_start_hex"] = None if kept is None else kept.hex()
    rows = [[one[column] for column in COLUMNS_OF_ACTIONS] for one in found]
    return Answer({"actions": found}, table("Done with dead letters", COLUMNS_OF_ACTIONS, rows))


def _filter(
    *,
    ids: list[str] | None,
    queue: str | None,
    kind: str | None,
    store: int | None,
    reason: str | None,
    since: str | None,
) -> Filter:
    instant = datetime.fromisoformat(first_instant(since, None)) if since else None
    return Filter(tuple(ids or ()), queue, kind, store, reason, instant)


def _demand_choice(wanted: Filter, *, everything: bool) -> None:
    if wanted.says_nothing != everything:
        raise UsageError("say which: ids, or --queue, --kind, --store, --reason, --since, or --all")


@asynccontextmanager
async def _opened() -> AsyncIterator[DeadLetterQueue]:
    async with opened_broker("tallyport dead") as broker, DeadLetterQueue.open(broker) as letters:
        yield letters


@asynccontextmanager
async def _desk(letters: DeadLetterQueue, name: str | None) -> AsyncIterator[Desk]:
    async with connected():
        pass  # so that an unreachable database is told in the same words as everywhere
    async with Database.open(database_settings(), name="tallyport dead", pool_max=1) as database:
        yield Desk(letters, database, actor(name))


async def _ask(look: Look) -> None:
    """In a thread: the connection lives on meanwhile. Raises RefusedError when the answer is no."""
    shown = letters_table(
        f"To be thrown away: {len(look.picked)}", [one.letter for one in look.picked]
    )
    Console(stderr=True).print(shown)
    if not await asyncio.to_thread(typer.confirm, "Throw them away?", err=True):
        raise RefusedError("nothing was thrown away")


def _rest(look: Look) -> str:
    more = f", {look.more} more (--limit)" if look.more else ""
    behind = f", {look.behind} not looked at" if look.behind else ""
    return more + behind


def _counts(look: Look) -> dict[str, int]:
    return {"more": look.more, "looked_at": look.looked_at, "not_looked_at": look.behind}


def _would(what: str, look: Look) -> Answer:
    found = [one.letter for one in look.picked]
    data = {"would": [one.as_data() for one in found], **_counts(look)}
    return Answer(data, letters_table(f"{len(found)} would {what}{_rest(look)}", found))


def _done(key: str, words: str, done: Done, look: Look) -> Answer:
    """What was done; raises when not all of it was."""
    count = f"{len(done.letters)} of {len(look.picked)} dead letters were {words}"
    if done.broke_off is not None:
        raise UnreachableError(f"{count}, then: {done.broke_off.message}")
    if done.refused:
        raise RefusedError(
            count, *(f"{letter.letter_id} stays: {reason}" for letter, reason in done.refused)
        )
    data = {key: [one.as_data() for one in done.letters], **_counts(look)}
    return Answer(data, f"{count}{_rest(look)}")
