"""The broker's users: one for each service, with exactly the rights that deployments give them.

In: a running node of ours, and the URL of the user who may do everything there. Out: users on the
virtual host of that URL, with passwords that follow from that user's, so that nothing more has to
be remembered; all that they may not make themselves is declared; and `url_of`, how one connects.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import hmac
from pathlib import Path
from runpy import run_path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit, urlunsplit

import aiormq

from devstack.errors import EngineError
from shared.messaging import declaration
from shared.messaging.topology import TOPOLOGY

if TYPE_CHECKING:
    from devstack.rabbitmq import RabbitMQ

DECLARE_SECONDS = 30.0
ADD_USERS = Path(__file__).resolve().parent.parent / "deploy" / "rabbitmq" / "add_users.py"


@functools.cache
def rights() -> dict[str, Any]:
    """By user: regular expressions `configure`, `write`, `read`, as deployments have them."""
    found: dict[str, Any] = run_path(str(ADD_USERS), run_name="add_users")["RIGHTS"]
    return found


def url_of(url: str, who: str) -> str:
    """How a user ("gateway", ...) connects: the same addresses, separated by commas if several."""
    return ",".join(_one_url_of(one, who) for one in url.split(","))


def _one_url_of(url: str, who: str) -> str:
    parts = urlsplit(url)
    _, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{who}:{_password(url, who)}@{host}"))


def _password(url: str, who: str) -> str:
    own = unquote(urlsplit(url).password or "")
    return hmac.new(own.encode(), f"broker {who}".encode(), hashlib.sha256).hexdigest()[:32]


def let_in(node: RabbitMQ, url: str) -> None:
    """Make the users, or give those of an earlier start their password and their rights anew.

    Users are the node's, rights the virtual host's: several virtual hosts of one node are fine.
    Milliseconds, one call into the node. Raises EngineError.
    """
    vhost = urlsplit(url).path[1:]
    users = ", ".join(
        f"{{{_text(who)}, {_text(_password(url, who))}, "
        f"{_text(given.configure)}, {_text(given.write)}, {_text(given.read)}}}"
        for who, given in rights().items()
    )
    # Two who come at once may both find a user missing: the second one's attempt to add it fails,
    # and what counts is set behind it.
    node.evaluate(
        "lists:foreach(fun({Name, Password, Configure, Write, Read}) -> "
        "rabbit_auth_backend_internal:exists(Name) orelse "
        '(catch rabbit_auth_backend_internal:add_user(Name, Password, <<"devstack">>)), '
        'ok = rabbit_auth_backend_internal:change_password(Name, Password, <<"devstack">>), '
        "ok = rabbit_auth_backend_internal:set_permissions("
        f'Name, {_text(vhost)}, Configure, Write, Read, <<"devstack">>) '
        f"end, [{users}])"
    )


def _text(text: str) -> str:
    """A binary as Erlang reads it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'<<"{escaped}">>'


async def declare(url: str) -> None:
    """What deployments import before any service starts: exchanges, queues, bindings. Raises
    EngineError when something is there that is different."""
    try:
        async with asyncio.timeout(DECLARE_SECONDS), await aiormq.connect(url) as connection:
            problems = await declaration.declare(connection, TOPOLOGY)
    except TimeoutError:
        raise EngineError(f"the broker did not answer within {DECLARE_SECONDS:g} s") from None
    if problems:
        raise EngineError("the broker: " + "; ".join(problems))
