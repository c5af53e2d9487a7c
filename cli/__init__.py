"""The command line `tallyport`: administration on the database, everything else over HTTP.

Comes in: arguments, TALLYPORT_URL, TALLYPORT_TOKEN, TALLYPORT_DATABASE_URL, files to import. Goes
out: tables for people or (`--json`) one JSON document on stdout, and an exit code of `outcomes`.

    outcomes, command, tables      what every command has in common: exit codes, --json, tables
    administration                 stores, users, members, tokens: straight on the database
    service_command, error_text    commands over HTTP, through `tallyport_client`
    registers, reports, items      the commands
    imports                        a file goes in: source_file, online_retail, invoices
"""
