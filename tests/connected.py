"""As whom services are connected, as the database and the broker tell it, whatever settings say.

In: a database, a virtual host of a node. Out: for each service the users that it is known as.
"""

from __future__ import annotations

import re
from collections import defaultdict
from urllib.parse import urlsplit

from devstack.rabbitmq import RabbitMQ
from devstack.services import SERVICES
from shared.database.pool import Database

_PAIR = re.compile(r'\{"([^"]*)",\s*"([^"]*)"\}')
ROLES = {service: {f"tallyport_{service}"} for service in SERVICES}
USERS = {service: {service} for service in SERVICES}


async def to_database(database: Database) -> dict[str, set[str]]:
    """By service: the roles of its connections."""
    async with database.acquire() as connection:
        rows = await connection.fetch(
            "SELECT application_name, usename FROM pg_stat_activity"
            " WHERE datname = current_database() AND usename IS NOT NULL"
        )
    return _by_service([(row["application_name"], row["usename"]) for row in rows])


def to_broker(node: RabbitMQ, url: str) -> dict[str, set[str]]:
    """By service: the users of its connections to the virtual host of this URL."""
    told = node.evaluate(
        '[{binary_to_list(element(3, lists:keyfind(<<"connection_name">>, 1, Known))), '
        "binary_to_list(User)} || "
        '[{user, User}, {vhost, <<"' + urlsplit(url).path[1:] + '">>}, {client_properties, Known}]'
        " <- rabbit_networking:connection_info_all([user, vhost, client_properties]), "
        'lists:keymember(<<"connection_name">>, 1, Known)]'
    )
    return _by_service(_PAIR.findall(told))


def _by_service(found: list[tuple[str, str]]) -> dict[str, set[str]]:
    """Connections are named after the service that they belong to, and what for."""
    users: defaultdict[str, set[str]] = defaultdict(set)
    for name, user in found:
        service = name.partition(" ")[0]
        if service in SERVICES:
            users[service].add(user)
    return dict(users)
