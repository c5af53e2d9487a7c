"""A database and a virtual host of this suite's own: whoever else worked on them would pass points
in its place. See `tests.worlds`."""

from __future__ import annotations

from tests.worlds import broker_settings, database, database_settings, world

__all__ = ["broker_settings", "database", "database_settings", "world"]
