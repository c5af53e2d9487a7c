"""A report as callers know it: how a request is checked and accepted, how the resource looks.

Shared by the gateway (HTTP) and the report worker (requests on the queue), so that both mean the
same and answer the same.
"""
