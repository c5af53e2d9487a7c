"""Why the service said no, in its own words, and what to do about it here.

Comes in: an error of the client. Goes out: one of `outcomes`, with its exit code.
"""

from __future__ import annotations

import tallyport_client as client
from cli.outcomes import BadFileError, CommandError, RefusedError, TimedOutError, UnreachableError

RECORDED = ("inserted", "replaced", "duplicates")
ADVICE = {
    401: "is the token (--token, TALLYPORT_TOKEN) of this service, not expired and not revoked?",
    405: "is --url (TALLYPORT_URL) the address of the service, without a path?",
}


def command_error(error: client.ClientError) -> CommandError:
    """The same, as the command line tells it."""
    if isinstance(error, client.RefusedError):
        kind = TimedOutError if error.status == 504 else RefusedError
        return kind(*reasons(error), status=error.status)
    if isinstance(error, client.UnreachableError):
        return UnreachableError(
            f"{error}; is it running, and is --url (TALLYPORT_URL) right?"
            if not error.may_be_done
            else str(error)
        )
    if isinstance(error, client.TimedOutError):
        return TimedOutError(str(error))
    if isinstance(error, client.DamagedFileError):
        return BadFileError(str(error))
    if isinstance(error, client.NotTallyportError):
        return RefusedError(f"{error}; is --url (TALLYPORT_URL) the address of the service?")
    return RefusedError(str(error))


def reasons(error: client.RefusedError) -> list[str]:
    """What is wrong, one line each, and what to do about it where that is known."""
    found = list(error.reasons)
    if any(error.recorded.values()):
        counts = ", ".join(f"{count} {name}" for name, count in error.recorded.items())
        found.append(f"before that: {counts}; sending all of it again changes nothing of these")
    if error.status in ADVICE:
        found.append(ADVICE[error.status])
    return found
