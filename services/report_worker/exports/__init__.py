"""What each report consists of. In: a report's name. Out: its files, each a named SELECT and its
columns.

    definition  `Export`, `ExportFile`, `Column`: values, without a format
    catalog     which export belongs to which name
    customers   one module and one .sql file for each export
"""
