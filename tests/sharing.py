"""How the tests are shared between processes.

One process runs all tests of a suite that starts services, so that they are started once; the
others are shared by file. Marks (`--dist loadgroup`) would say the same, but xdist 3.8 writes them
into an attribute that pytest 9.2 does not read any more.
"""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

LONGEST = ("component", "chaos")
BY_FILE = frozenset({"contracts", "integration", "unit"})


def _suite(place: str) -> str:
    return place.removeprefix("tests/").partition("/")[0]


def turn(place: str) -> int:
    """When the tests of a file, by its path from the root, are begun."""
    suite = _suite(place)
    return LONGEST.index(suite) if suite in LONGEST else len(LONGEST) + (suite in BY_FILE)


class BySuite(LoadScopeScheduling):
    """What belongs to one piece of work goes to one process, in the order of the collection."""

    def _split_scope(self, nodeid: str) -> str:
        place = nodeid.partition("::")[0]
        suite = _suite(place)
        return place if suite in BY_FILE else suite
