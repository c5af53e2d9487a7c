"""Stores, users, memberships and tokens: who may call, and for which store.

Comes in: a connection and values. Goes out: frozen rows. A token's text is made here, returned
once and never stored: the database knows its SHA-256 and a prefix that people can tell it by.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import asyncpg

from shared.database.pool import Connection
from shared.database.queries import load_queries
from shared.errors import ConflictError, InvalidArgumentError, NotFoundError

_SQL = load_queries(__file__)

TOKEN_PREFIX = "tp_"  # noqa: S105 - public by design: lets scanners find leaked tokens
TOKEN_BYTES = 32
SHOWN_CHARACTERS = 10
# Told on it, without a word: some token lets in no more.
REVOKED_CHANNEL = "tallyport_tokens"

# ISO 4217: the currencies whose minor unit is not a hundredth.
_NO_DIGITS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE_DIGITS = "BHD IQD JOD KWD LYD OMR TND"
_FOUR_DIGITS = "CLF UYW"
_MINOR_DIGITS = {
    currency: digits
    for digits, currencies in ((0, _NO_DIGITS), (3, _THREE_DIGITS), (4, _FOUR_DIGITS))
    for currency in currencies.split()
}


class Scope(StrEnum):
    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Store:
    """A tenant. `currency_digits` is how many decimals its money has."""

    store_id: int
    name: str
    timezone: str
    currency: str
    currency_digits: int


@dataclass(frozen=True, slots=True)
class User:
    user_id: int
    email: str
    name: str


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls. `store_id` is None for a service token, which may act for every store."""

    token_id: int
    user_id: int
    store_id: int | None
    scopes: frozenset[Scope]


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whose token, and how long it lets in unless it is revoked; infinite without an expiry."""

    principal: Principal
    seconds_left: float


@dataclass(frozen=True, slots=True)
class NewToken:
    """`text` is shown once; it cannot be had again."""

    token_id: int
    text: str


def currency_digits(currency: str) -> int:
    """The decimals of a currency's minor unit (ISO 4217): 2 for most."""
    return _MINOR_DIGITS.get(currency, 2)


async def create_store(connection: Connection, *, name: str, timezone: str, currency: str) -> Store:
    """Raises `InvalidArgumentError` for a zone or a currency that is none."""
    if timezone not in zoneinfo.available_timezones():
        raise InvalidArgumentError(f"not an IANA timezone: {timezone}")
    if not (len(currency) == 3 and currency.isascii() and currency.isupper()):
        raise InvalidArgumentError(f"not an ISO 4217 currency code: {currency}")
    if not name:
        raise InvalidArgumentError("a store needs a name")
    row = await connection.fetchrow(
        _SQL["insert_store"], name, timezone, currency, currency_digits(currency)
    )
    if row is None:
        raise RuntimeError("INSERT ... RETURNING returned nothing")
    return Store(**row)


async def find_store(connection: Connection, store_id: int) -> Store | None:
    row = await connection.fetchrow(_SQL["find_store"], store_id)
    return Store(**row) if row else None


async def list_stores(connection: Connection) -> list[Store]:
    return [Store(**row) for row in await connection.fetch(_SQL["list_stores"])]


async def create_user(connection: Connection, *, email: str, name: str = "") -> User:
    """Raises `ConflictError` when the address is taken."""
    if "@" not in email:
        raise InvalidArgumentError(f"not an e-mail address: {email}")
    try:
        row = await connection.fetchrow(_SQL["insert_user"], email, name)
    except asyncpg.UniqueViolationError:
        raise ConflictError(f"there is a user {email} already") from None
    if row is None:
        raise RuntimeError("INSERT ... RETURNING returned nothing")
    return User(**row)


async def find_user(connection: Connection, user_id: int, *, store_id: int | None) -> User | None:
    """A member of the store, or of any store when `store_id` is None."""
    row = (
        await connection.fetchrow(_SQL["find_user_of_any_store"], user_id)
        if store_id is None
        else await connection.fetchrow(_SQL["find_user"], store_id, user_id)
    )
    return User(**row) if row else None


async def add_member(connection: Connection, *, store_id: int, user_id: int) -> None:
    """Raises `NotFoundError` naming the store or the user that does not exist."""
    try:
        await connection.execute(_SQL["insert_membership"], store_id, user_id)
    except asyncpg.ForeignKeyViolationError as error:
        what = f"store {store_id}" if "store_id" in str(error) else f"user {user_id}"
        raise NotFoundError(f"there is no {what}") from None


async def remove_member(connection: Connection, *, store_id: int, user_id: int) -> bool:
    """False when the user was no member. Its tokens of this store end with the membership."""
    row = await connection.fetchval(_SQL["delete_membership"], store_id, user_id, REVOKED_CHANNEL)
    return row is not None


async def create_token(
    connection: Connection,
    *,
    user_id: int,
    store_id: int | None,
    name: str = "",
    scopes: Sequence[Scope] = (Scope.READ, Scope.WRITE),
    expires_at: datetime | None = None,
) -> NewToken:
    """A token of 256 random bits. Without a store it is a service token.

    Raises `NotFoundError` when the user does not exist or is no member of the store.
    """
    text = TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
    try:
        token_id = await connection.fetchval(
            _SQL["insert_token"],
            user_id,
            store_id,
            store_id is None,
            digest_of(text),
            text[:SHOWN_CHARACTERS],
            name,
            [scope.value for scope in scopes],
            expires_at,
        )
    except asyncpg.ForeignKeyViolationError:
        raise NotFoundError(
            f"there is no user {user_id}"
            if store_id is None
            else f"user {user_id} is no member of store {store_id}"
        ) from None
    return NewToken(token_id, text)


async def revoke_token(connection: Connection, token_id: int) -> bool:
    """False when there is no such token. Revoking twice is revoking."""
    return await connection.fetchval(_SQL["revoke_token"], token_id, REVOKED_CHANNEL) is not None


async def list_tokens(connection: Connection) -> list[dict[str, object]]:
    """Every token, without anything that would let one in."""
    return [dict(row) for row in await connection.fetch(_SQL["list_tokens"])]


async def authenticate(connection: Connection, text: str) -> Principal | None:
    """Who this token stands for, or None: unknown, expired and revoked look alike."""
    bearer = await find_bearer(connection, digest_of(text))
    return None if bearer is None else bearer.principal


async def find_bearer(connection: Connection, digest: bytes) -> Bearer | None:
    """The same by the token's digest, with how long it still lets in."""
    row = await connection.fetchrow(_SQL["find_token"], digest)
    if row is None or not hmac.compare_digest(row["digest"], digest) or not row["is_valid"]:
        return None
    principal = Principal(
        token_id=row["token_id"],
        user_id=row["user_id"],
        store_id=row["store_id"],
        scopes=frozenset(Scope(scope) for scope in row["scopes"]),
    )
    seconds_left: float | None = row["seconds_left"]
    return Bearer(principal, math.inf if seconds_left is None else seconds_left)


def digest_of(text: str) -> bytes:
    """What the database knows of a token."""
    return hashlib.sha256(text.encode(errors="surrogateescape")).digest()
