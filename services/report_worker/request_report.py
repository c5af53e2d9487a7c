"""The other use case: accept a report that is asked for on the queue, as the gateway accepts one.

In: who asks, for which store, and the arguments as they were sent. Out: what was accepted, with the
resource as the body of the answer; the report, the key of its request and the promise of its build
are one transaction (`shared.reporting.accept`).

A message comes at least once, and one message is one report: its own id is its idempotency key,
unless it brings one. Keys of messages begin with a space, which those of HTTP never do.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import orjson

from shared.contracts.reports import ReportArguments, ReportRequest
from shared.database import accounts
from shared.database.accounts import Store
from shared.database.pool import Database
from shared.database.queries import load_queries
from shared.errors import ConflictError, InvalidArgumentError, NotFoundError, UnavailableError
from shared.relay import Relay
from shared.reporting.accept import Accepted, Idempotency, accept_report
from shared.reporting.request import check_request
from shared.reporting.resource import Representing

_SQL = load_queries(__file__)


@dataclass(frozen=True, slots=True)
class ReportRequester:
    """One for each process. `public_url` is where callers reach the gateway; without it, the links
    of the answer are relative to that address."""

    database: Database
    relay: Relay
    large_rows: int
    public_url: str

    async def request(
        self, message: ReportRequest, *, message_id: str | None, traceparent: str | None
    ) -> Accepted:
        """Accept the report, or answer as before. `message_id` is None where the message has none.

        Raises `InvalidArgumentError` with all that is wrong, `NotFoundError` for a store or a user
        that does not exist or may not ask, `UnavailableError` while the same is being accepted.
        """
        idempotency = Idempotency(_key(message, message_id), _fingerprint(message.arguments))
        store = await self._store(message)
        new = check_request(
            message.arguments, store, user_id=message.user_id, traceparent=traceparent
        )
        shown = Representing(self.public_url.rstrip("/"), sign=_nothing_to_sign)
        try:
            accepted = await accept_report(
                self.database,
                new,
                lambda report: orjson.dumps(shown.report(report)),
                large_rows=self.large_rows,
                idempotency=idempotency,
            )
        except ConflictError as error:
            # A repetition that comes while the first is in hand: it passes.
            raise UnavailableError(error.message, retry_after_seconds=1) from error
        self.relay.wake()
        return accepted

    async def _store(self, message: ReportRequest) -> Store:
        async with self.database.acquire(store_id=message.store_id) as connection:
            store = await accounts.find_store(connection, message.store_id)
            if store is None:
                raise NotFoundError(f"there is no store {message.store_id}")
            if not await connection.fetchval(_SQL["may_ask"], message.store_id, message.user_id):
                raise NotFoundError(f"the store {message.store_id} has no user {message.user_id}")
        return store


def _key(message: ReportRequest, message_id: str | None) -> str:
    if message.idempotency_key is not None:
        return f" key {message.idempotency_key}"
    if message_id is None:
        raise InvalidArgumentError(
            "a request needs a message_id or an idempotency_key: without one, a message that is "
            "delivered twice would be two reports"
        )
    return f" message {message_id}"


def _fingerprint(arguments: ReportArguments) -> bytes:
    values = arguments.model_dump()
    return hashlib.sha256(orjson.dumps(values, default=str, option=orjson.OPT_SORT_KEYS)).digest()


def _nothing_to_sign(_key: str, _file_name: str) -> str:
    raise RuntimeError("a report that was just accepted has no file")
