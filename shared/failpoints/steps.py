"""Every step that a failpoint stands at: the one list.

Each has a point before it and one after it: `report.claim.before`, `report.claim.after`. A step is
what must not be half done, or done twice: a commit, a message sent or settled, an upload's request.
"""

from __future__ import annotations

from enum import StrEnum


class Step(StrEnum):
    """A commit unless its comment says otherwise. `before` a commit: everything is written and
    nothing of it is seen; `after`: it is seen, and nobody was told."""

    # The gateway, and the worker's requests from the queue.
    REPORT_ACCEPT = "report.accept"
    REPORT_DELETE = "report.delete"
    # The report worker. `take` looks for a report whose turn it is before that of the message.
    REPORT_TAKE = "report.take"
    REPORT_CLAIM = "report.claim"
    REPORT_HEARTBEAT = "report.heartbeat"
    REPORT_FINISH = "report.finish"
    # A build's end makes room for one that was put off.
    REPORT_NEXT = "report.next"
    REPORT_RETRY = "report.retry"
    REPORT_FAIL = "report.fail"
    REPORT_RELEASE = "report.release"
    REPORT_REAP = "report.reap"
    # The object's key, written down before it is sent, and forgotten after it was removed.
    UPLOAD_NOTE = "upload.note"
    UPLOAD_FORGET = "upload.forget"
    JANITOR_EXPIRE = "janitor.expire"
    # Requests to the object store: a small object at once, a large one in parts.
    UPLOAD_WHOLE = "upload.whole"
    UPLOAD_BEGIN = "upload.begin"
    UPLOAD_PART = "upload.part"
    UPLOAD_COMPLETE = "upload.complete"
    OBJECT_STAT = "object.stat"
    OBJECT_REMOVE = "object.remove"
    # The recorder: a batch of records, a change of a register, and what follows for rollups.
    RECORD = "record"
    ROLLUP_FOLD = "rollup.fold"
    ROLLUP_ENSURE = "rollup.ensure"
    ROLLUP_WISH = "rollup.wish"
    # Every process with an outbox: the promises that were published are removed.
    OUTBOX_RELAY = "outbox.relay"
    # A message: published and confirmed; acknowledged before its work is done (builds), or after;
    # its answer written; put away with its reason.
    MESSAGE_PUBLISH = "message.publish"
    MESSAGE_ACKNOWLEDGE_EARLY = "message.acknowledge_early"
    MESSAGE_ACKNOWLEDGE = "message.acknowledge"
    MESSAGE_REPLY = "message.reply"
    MESSAGE_DEAD_LETTER = "message.dead_letter"


BEFORE, AFTER = "before", "after"
POINTS = frozenset(f"{step}.{side}" for step in Step for side in (BEFORE, AFTER))
