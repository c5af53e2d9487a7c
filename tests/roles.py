"""The database as one of the services sees it: with its role, and no more rights than that has."""

from __future__ import annotations

from pydantic import SecretStr

from devstack import database_roles
from shared.settings import DatabaseSettings


def as_role(settings: DatabaseSettings, who: str) -> DatabaseSettings:
    """The same settings for the role of a service ("gateway", ...) or the operator ("admin")."""
    url = database_roles.url_of(settings.url.get_secret_value(), who)
    return settings.model_copy(update={"url": SecretStr(url)})
