"""Where messages go: the names that docs/messages.md gives, and nothing of the service's code.

A test holds them to the service's own contracts.
"""

from __future__ import annotations

COMMANDS = "tallyport.commands"
# What the broker's user for producers may make.
REPLY_QUEUE_PREFIX = "producer."
CONTENT_TYPE = "application/json"

# By kind: the routing key.
QUEUES = {
    "record.items.v1": "tallyport.record",
    "record.void.v1": "tallyport.record",
    "record.customers.v1": "tallyport.record",
    "record.transactions.v1": "tallyport.record",
    "record.subscriptions.v1": "tallyport.record",
    "report.request.v1": "tallyport.report.request",
}
