"""How a command can end: one exit code for each kind of ending, and the errors that carry them.

Comes in: what went wrong, raised where it was found. Goes out: an exit code, a text that names
what is wrong and what to do about it, and for `--json` the same as an object.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, ClassVar


class ExitCode(IntEnum):
    DONE = 0
    REFUSED = 1
    USAGE = 2
    UNREACHABLE = 3
    TIMED_OUT = 4
    BAD_FILE = 5
    INTERRUPTED = 130


MEANINGS = {
    ExitCode.DONE: "it is done",
    ExitCode.REFUSED: "the request was refused or failed; the reason is shown",
    ExitCode.USAGE: "wrong usage: an option, an argument or a setting",
    ExitCode.UNREACHABLE: "the service or the database cannot be reached",
    ExitCode.TIMED_OUT: "it was not finished in time; it may still go on",
    ExitCode.BAD_FILE: "a file is not what it should be: unreadable, or its checksum is wrong",
    ExitCode.INTERRUPTED: "interrupted (Ctrl-C)",
}


class CommandError(Exception):
    """A command did not do what was asked. `status` is the HTTP status, if there was one."""

    exit_code: ClassVar[ExitCode] = ExitCode.REFUSED

    def __init__(self, *reasons: str, status: int | None = None) -> None:
        super().__init__("\n".join(reasons))
        self.reasons = reasons
        self.status = status

    def as_data(self) -> dict[str, Any]:
        """For `--json`: `{"error": text, "exit_code": n, "status": n or null}`."""
        return {"error": str(self), "exit_code": int(self.exit_code), "status": self.status}


class RefusedError(CommandError):
    """The service answered, and the answer is no."""


class UsageError(CommandError):
    """The command was called wrongly, in a way that its parser cannot see."""

    exit_code = ExitCode.USAGE


class UnreachableError(CommandError):
    """Nobody answers at the address."""

    exit_code = ExitCode.UNREACHABLE


class TimedOutError(CommandError):
    """We stopped waiting."""

    exit_code = ExitCode.TIMED_OUT


class BadFileError(CommandError):
    """What was read, here or from the object store, is not what was promised."""

    exit_code = ExitCode.BAD_FILE
