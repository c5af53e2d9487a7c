"""The aggregator: how many, how much, and how much on average.

Comes in: `aggregate.query.v1`, a question about the items of one register, the richer
`aggregate.analysis.v1`, or one about its labels, `aggregate.dimensions.v1`. Goes out: the HTTP
response's body, rendered once (JSON or CSV), with its ETag, or a failure with the documented text.

    handlers        the edge: message in, answer out, one line a question in the log
    aggregate       the use case: checks, one statement, its body
    arguments       what a caller may ask, in the order of docs/http.md (instants: its times)
    deadlines       a question's turn, and its end
    admission       how many at once, how many waiting
    periods         days, weeks, months, quarters, years of a zone as instants, and their labels
    titles          `Count by Month and Income Account`
    sessions        connections that only read, with what our statements need set already
    reading         one statement, made of what was seen last, that checks whether it is still so
    registers       the register, its labels and its rollups, as they were seen last
    plans           where the totals are read from, exact each
    query_builder   the statement: state, totals, groups
    body            the groups and their numbers put together, gaps filled
    rendering       what the body's pieces look like, in JSON and in CSV
    analyse         the other use case; analysis_arguments, analysis_cells, analysis_statement,
                    analysis_rendering and analysis_body are its parts, conditions its filter,
                    previous_range what it compares with
    catalogue       what a register can be grouped by; catalogue_statements is its SQL
    entity_tag      the answer's ETag, and whether the caller has it already
"""
