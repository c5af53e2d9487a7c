"""The database's roles, let in: the migrations make them, and nobody can log in as one until then.

In: the URL of a superuser. Out: each role can log in, with a password that follows from the
superuser's, so that nothing more has to be remembered; and `url_of`, how a role connects.
"""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import asyncpg

ROLES = ("admin", "gateway", "report_worker", "aggregator", "recorder")
CONNECT_SECONDS = 10.0


def url_of(url: str, who: str) -> str:
    """The URL of a role ("gateway", ...) on the superuser's database."""
    parts = urlsplit(url)
    _, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"tallyport_{who}:{_password(url, who)}@{host}"))


def _password(url: str, who: str) -> str:
    own = unquote(urlsplit(url).password or "")
    return quote(hmac.new(own.encode(), who.encode(), hashlib.sha256).hexdigest()[:32])


async def let_in(url: str) -> None:
    """Call behind the migrations. Several at once, on several databases of one server, are fine."""
    connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS)
    try:
        async with connection.transaction():
            # Roles are the server's: who sets two passwords at once would fail.
            await connection.execute("LOCK TABLE pg_catalog.pg_authid IN SHARE ROW EXCLUSIVE MODE")
            for who in ROLES:
                # No statement that sets a password takes it as a parameter.
                await connection.execute(
                    f"ALTER ROLE tallyport_{who} LOGIN PASSWORD '{_password(url, who)}'"
                )
    finally:
        await connection.close(timeout=CONNECT_SECONDS)
