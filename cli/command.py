"""What every command does around its own work: run, show, end with the right exit code.

Comes in: an async function of options that returns an `Answer`. Goes out: a typer command whose
stdout is the answer, as JSON (`--json`) or for people, and nothing else; progress and errors go
to stderr.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from inspect import Parameter
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType
from rich.text import Text

from cli.error_text import command_error
from cli.json_text import json_text
from cli.outcomes import CommandError, ExitCode, RefusedError, UnreachableError
from shared.contracts.failures import FailureCode
from shared.errors import TallyportError
from tallyport_client import ClientError

Work = Callable[..., Awaitable["Answer"]]
AsJson = Annotated[
    bool, typer.Option("--json", help="One JSON document on stdout and nothing else.")
]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command says. `data`, for programs: bytes are JSON already and are passed on as they
    are, so that no number changes on the way. `shown`: the same for people."""

    data: Any
    shown: RenderableType


def command(app: typer.Typer, name: str) -> Callable[[Work], Work]:
    """Make an async function a command of `app`; its keyword arguments are the options, and
    `--json` is added to them."""

    def register(work: Work) -> Work:
        def run(*, as_json: bool, **options: Any) -> None:
            raise typer.Exit(int(_run(work, options, as_json=as_json)))

        run.__doc__ = work.__doc__
        as_json = Parameter("as_json", Parameter.KEYWORD_ONLY, default=False, annotation=AsJson)
        with_options(run, [*options_of(work), as_json])
        app.command(name)(run)
        return work

    return register


def options_of(work: Work) -> list[Parameter]:
    """The options that a function declares, their annotations evaluated."""
    return list(inspect.signature(work, eval_str=True).parameters.values())


def with_options(function: Callable[..., Any], options: list[Parameter]) -> None:
    """Let a function that takes `**options` say which: typer reads signatures."""
    function.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
    function.__annotations__ = {option.name: option.annotation for option in options}


def _run(work: Work, options: dict[str, Any], *, as_json: bool) -> ExitCode:
    async def awaited() -> Answer:
        return await work(**options)

    try:
        answer = asyncio.run(awaited())
    except CommandError as error:
        return _fail(error, as_json=as_json)
    except ClientError as error:
        return _fail(command_error(error), as_json=as_json)
    except TallyportError as error:
        unreachable = error.code is FailureCode.UNAVAILABLE
        kind = UnreachableError if unreachable else RefusedError
        return _fail(kind(error.message), as_json=as_json)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return ExitCode.INTERRUPTED
    if as_json:
        print(json_text(answer.data))
    else:
        Console().print(answer.shown)
    return ExitCode.DONE


def _fail(error: CommandError, *, as_json: bool) -> ExitCode:
    if as_json:
        print(json_text(error.as_data()))
    # Not wrapped: an address or a path in it is there to be copied.
    Console(stderr=True, soft_wrap=True).print(Text(str(error), style="red"))
    return error.exit_code
