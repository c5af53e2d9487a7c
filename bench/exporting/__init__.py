"""What a report costs from POST to the finished object, beside what people would do instead: goals
6 and 7.

Comes in: a number of rows. Goes out: tables on the terminal and the section "Exporting" of
`docs/benchmarks.md`, or an error when two ways give different files.

    python -m bench.exporting --rows 5000000

    data      the rows: customers of several stores, wide, in SQL
    sales     the rows of `complete`: transactions, and the sales register
    system    the whole system with the rows in it, in a folder that the next run uses again
    usage     processor seconds and memory of whoever took part
    ours      a report over HTTP, from POST to ready
    pipes     psql's COPY into what stands behind it
    rivals    a task with a cursor and csv.writer, and pandas: processes of their own
    waiting   a short report beside long ones
    goals     what the figures say about each goal
    section   what is written
"""
