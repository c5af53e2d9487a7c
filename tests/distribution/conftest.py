"""A database and a virtual host of this suite's own: all that is sent to it is looked at. See
`tests.worlds`."""

from __future__ import annotations

from tests.worlds import broker_settings, database, database_settings, world

__all__ = ["broker_settings", "database", "database_settings", "world"]
