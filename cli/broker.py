"""`tallyport broker`: what only an operator may do to queues and exchanges.

Comes in: TALLYPORT_BROKER_URL, with a user that may configure ours. Goes out: bindings gone that an
earlier version made and this one does without.
"""

from __future__ import annotations

import asyncio

import typer

from cli.broker_connection import opened_broker
from cli.command import Answer, command
from cli.outcomes import RefusedError, UnreachableError
from cli.tables import table
from shared.messaging.declaration import unbind
from shared.messaging.topology import EARLIER_BINDINGS

COLUMNS = ("exchange", "queue")

app = typer.Typer(help="The broker: what is left of earlier versions.", no_args_is_help=True)


@command(app, "tidy")
async def broker_tidy() -> Answer:
    """Take away what earlier versions bound, once none of them runs. Twice does no harm."""
    async with opened_broker("tallyport broker") as broker:
        connection = await broker.publishing.wait_open()
        try:
            async with asyncio.timeout(broker.settings.connect_seconds):
                problems = await unbind(connection, EARLIER_BINDINGS)
        except (TimeoutError, OSError) as error:
            raise UnreachableError(f"the broker was lost: {error}") from None
    if problems:
        raise RefusedError("; ".join(problems))
    data = {"unbound": [dict(zip(COLUMNS, one, strict=True)) for one in EARLIER_BINDINGS]}
    return Answer(data, table("Not bound any more", COLUMNS, EARLIER_BINDINGS))
