"""Commands that talk to the service over HTTP: where it is and who calls.

Comes in: `--url`, `--token`, `--store`, or TALLYPORT_URL, TALLYPORT_TOKEN, TALLYPORT_STORE. Goes
out: an open client, the first argument of the command's own work.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter
from typing import Annotated, Any

import typer

from cli.command import Answer, Work, command, options_of, with_options
from cli.outcomes import UsageError
from tallyport_client import AsyncClient

URL_DEFAULT = "http://127.0.0.1:8080"

Url = Annotated[str, typer.Option("--url", envvar="TALLYPORT_URL", help="Where the service is.")]
Token = Annotated[
    str,
    typer.Option("--token", envvar="TALLYPORT_TOKEN", help="Who calls.", show_default=False),
]
Store = Annotated[
    int | None,
    typer.Option(
        "--store",
        envvar="TALLYPORT_STORE",
        min=1,
        help="For a service token: the store that it acts for.",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress on stderr.")]

_CONNECTION = [
    Parameter("url", Parameter.KEYWORD_ONLY, default=URL_DEFAULT, annotation=Url),
    Parameter("token", Parameter.KEYWORD_ONLY, default="", annotation=Token),
    Parameter("store", Parameter.KEYWORD_ONLY, default=None, annotation=Store),
]


def service_command(app: typer.Typer, name: str) -> Callable[[Work], Work]:
    """Make `work(tallyport, *, options)` a command; the connection's options are added."""

    def register(work: Work) -> Work:
        async def connected(*, url: str, token: str, store: int | None, **options: Any) -> Answer:
            if not token:
                raise UsageError("no token: give --token or set TALLYPORT_TOKEN")
            try:
                opened = AsyncClient(url, token, store_id=store)
            except ValueError as error:
                raise UsageError(str(error)) from None
            async with opened as tallyport:
                return await work(tallyport, **options)

        connected.__doc__ = work.__doc__
        with_options(connected, [*options_of(work)[1:], *_CONNECTION])
        command(app, name)(connected)
        return work

    return register
