"""Which call goes where: the whole HTTP surface, on one page."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from services.gateway import bodies
from services.gateway.asyncapi import asyncapi_page
from services.gateway.handlers import (
    aggregates,
    dimensions,
    entry,
    items,
    page_files,
    records,
    registers,
    report_collection,
    report_events,
    reports,
    store,
)
from services.gateway.openapi.page import openapi_page

# Digits of ASCII: `\d` would take those of every script.
_ID = "{id:[0-9]+}"


def add_routes(app: web.Application) -> None:
    """Every path of docs/http.md. A method that is not here is a 405 that names those that are."""
    router = app.router
    # Whoever asks first whether to send a body is answered once somebody wants it.
    post = partial(router.add_route, "POST", expect_handler=bodies.expected)
    patch = partial(router.add_route, "PATCH", expect_handler=bodies.expected)
    router.add_get("/", entry.root)
    router.add_get("/assets/{name}", page_files.asset)
    router.add_get("/openapi.json", openapi_page())
    router.add_get("/asyncapi.json", asyncapi_page())
    router.add_get("/docs", page_files.calls)
    router.add_get("/docs/messages", page_files.messages)
    router.add_get("/rels/{rel}", entry.relation)
    router.add_get(f"/users/{_ID}", entry.user)
    router.add_get("/store", store.find)

    post("/reports", reports.create)
    router.add_get("/reports", report_collection.collection)
    router.add_route("OPTIONS", "/reports", reports.options)
    # The seed writes the self link as /report/{id} and the collection as /reports: both work.
    for path in (f"/reports/{_ID}", f"/report/{_ID}"):
        router.add_get(path, reports.find)
        router.add_delete(path, reports.remove)
        router.add_route("OPTIONS", path, reports.options)
        router.add_get(f"{path}/events", report_events.events)
    post("/reports/query", aggregates.query)
    post("/reports/{measure:[^/]*[^/0-9][^/]*}", aggregates.measure)

    post("/registers", registers.create)
    router.add_get("/registers", registers.collection)
    router.add_get(f"/registers/{_ID}", registers.find)
    patch(f"/registers/{_ID}", registers.update)
    router.add_get(f"/registers/{_ID}/dimensions", dimensions.labels)
    router.add_get(f"/registers/{_ID}/dimensions/{{label}}", dimensions.values)
    router.add_get(f"/registers/{_ID}/items", items.listing)
    post(f"/registers/{_ID}/items", records.items)
    post(f"/registers/{_ID}/items/void", records.void)
    post("/customers", records.customers)
    post("/transactions", records.transactions)
    post("/subscriptions", records.subscriptions)
