"""What each report consists of. In: a report's name. Out: its files, each a named SELECT and its
columns.

    definition  `Export`, `ExportFile`, `Column`: values, without a format
    document    the columns, as docs/reports.md shows them
    catalog     which export belongs to which name
    customers, customers_ltv, complete/
                one module and one .sql file for each export, or for each file of one
"""
