"""The gateway: the only process that speaks HTTP to callers.

Comes in: requests with a bearer token. Goes out: rows (`reports`, `outbox`, `idempotency_keys`),
questions to the aggregator and batches to the recorder over RPC, signed links, and answers.
"""
