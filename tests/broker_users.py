"""The broker as a service sees it: with its user, and the rights that deployments give it."""

from __future__ import annotations

from runpy import run_path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from devstack.rabbitmq import RabbitMQ
from tests.engines import ROOT

SECRET = "secret"


def rights() -> dict[str, Any]:
    """By user: regular expressions `configure`, `write`, `read` of deploy/rabbitmq/add_users.py."""
    path = ROOT / "deploy" / "rabbitmq" / "add_users.py"
    found: dict[str, Any] = run_path(str(path), run_name="add_users")["RIGHTS"]
    return found


def url_of(node: RabbitMQ, url: str, who: str) -> str:
    """Make the user, with its rights to the virtual host of this URL; how it connects."""
    parts = urlsplit(url)
    vhost = parts.path[1:]
    name = f"{vhost}-{who}"
    given = rights()[who]
    patterns = ", ".join(f'<<"{_erlang(p)}">>' for p in (given.configure, given.write, given.read))
    node.evaluate(
        f'rabbit_auth_backend_internal:add_user(<<"{name}">>, <<"{SECRET}">>, <<"tests">>), '
        f'rabbit_auth_backend_internal:set_permissions(<<"{name}">>, <<"{vhost}">>, {patterns}, '
        '<<"tests">>)'
    )
    _, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{name}:{SECRET}@{host}"))


def _erlang(pattern: str) -> str:
    return pattern.replace("\\", "\\\\")
