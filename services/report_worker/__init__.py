"""The report worker. In: `report.build.v1`, a pointer to a report's row. Out: the report's object
in the store, its row `ready` or `error`, and the event that says so. In: `report.request.v1`. Out:
the row of a report that was asked for on the queue, and its resource as the answer.

    app             the composition root
    handlers        a message: claim, acknowledge, build, one log line
    request_report  the use case of a request: check who asks, accept
    build_report    the use case: claim, build, finish, each fenced by the attempt's number
    aftermath       what follows when a build did not get to its end
    heartbeat       renews the lease meanwhile, tells the progress, hears of a cancel
    production      from a snapshot to an object, plain or packed
    copying         the snapshot, and COPY out of it, over one connection or several
    ranges          a large file in ranges, for several connections
    gulps, pieces   its bytes on their way to the thread that writes them out, in their order
    estimating      how many rows there will be, for the progress
    control_totals  the files agree with one another and with the sales register, or it fails
    register_totals what the register says
    manifest        the last file of a packed report
    writing         that thread
    formats/        csv, xlsx, jsonl, parquet: what COPY sends, and what becomes of it
    packing         the object: one file as it is, or a zip
    zip_stream      a zip, written front to back
    exports/        what each report consists of
    failures        what becomes of an error: one table
    outcome         how a build can end, and the events of it
    reaper          takes back what lost workers had, dispatches what is due
    janitor         removes what nobody points at
"""
