"""Real engines on a machine without Docker: PostgreSQL, RabbitMQ and an S3 server.

In: a folder of our own (`.run/` of the checkout). Out: three engines that listen on 127.0.0.1 only,
on ports that no other checkout uses, with generated passwords, and their addresses (`Engines`).
Everything they write (data, logs, pid files, secrets) is under that folder, so several checkouts
run side by side and `rm -rf` is a complete clean-up.

    process_table, processes, ports      the ground floor: what runs, starting and stopping it
    postgres, rabbitmq, object_store     one engine each: settings in, a URL out
    engines                              all three at once
    temporary, watchdog                  the same for tests: fresh, and gone with their owner
"""
