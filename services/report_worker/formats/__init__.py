"""What a report's files look like. In: a format's name. Out: how PostgreSQL is asked for the rows
and what a thread makes of them.

    format   what a format is, and what they share
    catalog  which format belongs to which name
    csv_text, json_lines, xlsx, parquet
             one module a format; xlsx_xml is the text inside a workbook
"""
