"""What the gateway promises, as an OpenAPI 3.1 document at `GET /openapi.json`.

Comes in: the contracts in `shared.contracts`, and one module for each family of calls that says
what is asked and what is answered. Goes out: the document. A new call is an entry in its family's
`OPERATIONS`; a test compares them with the router's table, both ways.

    operation         what one call takes and gives, as values; their shape in OpenAPI
    parameters        what comes beside a body: ids, stores, headers, pages
    refusals          the two families of error bodies, and every status that they come with
    hal               links, which several families show
    report_resource   what a report looks like
    probes entry reports aggregates analyses registers dimensions records     the calls
    document          puts it all together
    page              serves it
"""
