"""What handlers use, made once in `app.py` and found here by type."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from services.gateway.report_watch import ReportWatch
from services.gateway.settings import GatewayServiceSettings
from services.gateway.tokens import Tokens
from shared.database.pool import Database
from shared.messaging.rpc_client import RpcClient
from shared.objects import ObjectStore
from shared.relay import Relay
from shared.reporting.resource import Representing


@dataclass(frozen=True, slots=True)
class Dependencies:
    """The gateway's connections."""

    settings: GatewayServiceSettings
    database: Database
    tokens: Tokens
    rpc: RpcClient
    objects: ObjectStore
    relay: Relay
    watch: ReportWatch


DEPENDENCIES = web.AppKey("dependencies", Dependencies)


def dependencies(request: web.Request) -> Dependencies:
    """The connections of the application that this request came to."""
    # There is one application: no need to look through those around it.
    return request.app[DEPENDENCIES]


def base_url(request: web.Request) -> str:
    """How the caller reaches us, without a slash at the end."""
    public = dependencies(request).settings.gateway.public_url
    return (public or str(request.url.origin())).rstrip("/")


def representing(request: web.Request) -> Representing:
    """How resources are shown to this caller."""
    parts = dependencies(request)
    return Representing(
        base_url=base_url(request),
        sign=lambda key, name: parts.objects.presign(
            key, file_name=name, seconds=parts.settings.downloads.link_seconds
        ),
    )
