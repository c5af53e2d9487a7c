"""What an answer costs, beside what people would use instead: goals 1 to 5 and 8, and the hop.

Comes in: a number of items. Goes out: a table on the terminal and the section "Counting" of
`docs/benchmarks.md`, or an error when two engines disagree in any cell.

    python -m bench.counting --items 10000000

    data        the items: one formula, in SQL and in Python
    questions   what is asked, the shape of an answer, and the reference in plain Python
    system      the whole system with the items in it, in a folder that the next run uses again
    http_line   a caller: HTTP/1.1 on a kept connection, as little of it as can be
    engines     ours over HTTP, and bare SQL; columnar: DuckDB, ClickHouse; cube: Cube
    rivals      processes of the other ways to do the hop: none, and ordinary RPC
    agreement   every answer of every engine, cell by cell
    rounds      the clock: engines take turns
    load        callers at once; recording beside them
    writing     what it costs to record, and whether a question sees what was recorded
    goals       what the figures say about each goal
    page        the page that is written
"""
