"""Who calls, for which store, and whether they may.

Comes in: the `Authorization` header. Goes out: a `Caller` on the request. Missing, unknown,
expired and revoked tokens get one and the same 401 (docs/http.md, Who is calling).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from services.gateway import problems
from services.gateway.dependencies import dependencies
from services.gateway.rate_limits import Allowance, RateLimits
from services.gateway.strangers import Strangers
from shared.contracts.message import ID_MAX
from shared.database import accounts
from shared.database.accounts import Principal, Scope, Store
from shared.database.pool import PASSING_ERRORS
from shared.database.registers import store_of_register
from shared.errors import InvalidArgumentError

STORE_HEADER = "Tallyport-Store"
PRINCIPAL = web.RequestKey("principal", Principal)
ALLOWANCE = web.RequestKey("allowance", Allowance)
RATE_LIMITS = web.AppKey("rate_limits", RateLimits[int])
STRANGERS = web.AppKey("strangers", Strangers)
_PUBLIC_ROOTS = frozenset(
    {
        *("", "assets", "docs", "openapi.json", "asyncapi.json", "rels"),
        *("healthz", "readyz", "metrics"),
    }
)
_UNAUTHENTICATED = "a valid bearer token is required"
_TOO_MANY = "the token has made more requests than one may make in this time"
_GUESSED = "more tokens that nobody has came from this address than may come in this time"
_ID_DIGITS_MAX = 18
NOBODYS_STORE = ID_MAX


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose request this is, and for which store it is made."""

    principal: Principal
    store: Store


@web.middleware
async def require_token(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let nobody in without a valid token, but to the public paths."""
    if request.path.strip("/").split("/")[0] in _PUBLIC_ROOTS:
        return await handler(request)
    token = _token(request)
    if token is None:
        return _refuse(request)
    tokens = dependencies(request).tokens
    principal = tokens.remembered(token)
    if principal is None:
        strangers = request.app[STRANGERS]
        if not tokens.knows(token):
            seconds = strangers.wait_seconds(request)
            if seconds is not None:
                return _put_off(request, _GUESSED, seconds)
        principal = await tokens.principal(token)
        if principal is None:
            strangers.count(request)
            return _refuse(request)
    structlog.contextvars.bind_contextvars(token_id=principal.token_id)
    allowance = request.app[RATE_LIMITS].take(principal.token_id)
    if allowance is not None:
        request[ALLOWANCE] = allowance
        if allowance.wait_seconds is not None:
            return _put_off(request, _TOO_MANY, allowance.wait_seconds)
    request[PRINCIPAL] = principal
    return await handler(request)


def _refuse(request: web.Request) -> web.Response:
    return problems.respond(request, 401, _UNAUTHENTICATED, headers={"WWW-Authenticate": "Bearer"})


def _put_off(request: web.Request, why: str, seconds: float) -> web.Response:
    return problems.respond(request, 429, why, headers={"Retry-After": str(math.ceil(seconds))})


async def tell_allowance(request: web.Request, response: web.StreamResponse) -> None:
    """On whatever a token is answered: what it may still do, in the fields of the IETF's draft
    (draft-ietf-httpapi-ratelimit-headers-11). `t` never ends behind `Retry-After`, as it asks."""
    allowance = request.get(ALLOWANCE)
    if allowance is not None:
        wait = allowance.wait_seconds
        seconds = math.ceil(allowance.full_seconds if wait is None else wait)
        response.headers["RateLimit"] = f'"token";r={allowance.left};t={seconds}'
        response.headers["RateLimit-Policy"] = request.app[RATE_LIMITS].policy


def _token(request: web.Request) -> str | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


async def _principal(request: web.Request) -> Principal | None:
    token = _token(request)
    return None if token is None else await dependencies(request).tokens.principal(token)


async def is_still_let_in(request: web.Request) -> bool:
    """Whether the token of a request that lasts is still good. As long as nobody can tell it is."""
    try:
        return await _principal(request) is not None
    except PASSING_ERRORS:
        return True


def demand(request: web.Request, scope: Scope) -> Principal:
    """The principal, if its token has the scope; else 403, which says what is missing."""
    principal = request[PRINCIPAL]
    if scope not in principal.scopes:
        raise web.HTTPForbidden(reason=f"the token lacks the scope {scope.value}")
    return principal


async def caller(request: web.Request, scope: Scope, *, register_id: object = None) -> Caller:
    """The caller and the store of this request.

    A user's token has its store. A service token names one with the header `Tallyport-Store`, or
    is taken to mean the store of the register that it asks about.
    """
    principal = demand(request, scope)
    store_id = await _store_meant(request, principal, register_id)
    store = None
    if store_id is not None:
        async with dependencies(request).database.acquire(store_id=store_id) as connection:
            store = await accounts.find_store(connection, store_id)
    if store is None:
        raise InvalidArgumentError(
            f"a service token says which store it acts for: {STORE_HEADER}: <store id>"
        )
    structlog.contextvars.bind_contextvars(store_id=store.store_id)
    return Caller(principal, store)


async def store_asked(request: web.Request, scope: Scope, register_id: object) -> int:
    """The store of a question about a register, without looking it up where the token says it.

    A service token that asks about a register that there is not is answered like everybody: by the
    rules of the question, in their order. So it asks for a store that nobody has.
    """
    store_id = await _store_meant(request, demand(request, scope), register_id)
    return NOBODYS_STORE if store_id is None else store_id


async def _store_meant(
    request: web.Request, principal: Principal, register_id: object
) -> int | None:
    store_id = store_said(request, principal)
    if store_id is None and type(register_id) is int and 1 <= register_id <= ID_MAX:
        async with dependencies(request).database.acquire() as connection:
            store_id = await store_of_register(connection, register_id)
    return store_id


def store_said(request: web.Request, principal: Principal) -> int | None:
    """The store of a user's token, or the one that a service token names, if it does."""
    return principal.store_id if principal.store_id is not None else _named_store(request)


def _named_store(request: web.Request) -> int | None:
    value = request.headers.get(STORE_HEADER)
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and len(value) <= _ID_DIGITS_MAX):
        raise InvalidArgumentError(f"{STORE_HEADER} must be a store's id")
    return int(value)


def path_id(request: web.Request, name: str = "id") -> int:
    """An id of the path. One that is too long for any row is as good as unknown: 404."""
    digits = request.match_info[name]
    if len(digits) > _ID_DIGITS_MAX:
        raise web.HTTPNotFound
    return int(digits)
