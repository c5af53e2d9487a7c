"""Who may do what in a database, read from its catalogue and written as the tables of a page."""

from __future__ import annotations

from collections import defaultdict

from shared.database.pool import Connection

# Rights to tables, to columns of them, to functions and to the database, of all roles of ours.
_RIGHTS = """
    SELECT grantee, what, kind, privilege, columns FROM (
        SELECT a.grantee, c.relname AS what, 1 AS kind, a.privilege_type AS privilege,
               NULL AS columns
          FROM pg_class c, aclexplode(c.relacl) a
         WHERE c.relnamespace = 'public'::regnamespace
         UNION ALL
        SELECT a.grantee, c.relname, 1, a.privilege_type,
               string_agg(t.attname, ', ' ORDER BY t.attnum)
          FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid, aclexplode(t.attacl) a
         WHERE c.relnamespace = 'public'::regnamespace
         GROUP BY 1, 2, a.privilege_type
         UNION ALL
        SELECT a.grantee, p.proname, 2, a.privilege_type, NULL
          FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
         WHERE p.pronamespace = 'public'::regnamespace
         UNION ALL
        SELECT a.grantee, 'the database', 3, a.privilege_type, NULL
          FROM pg_database d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
         WHERE d.datname = current_database()
         UNION ALL
        SELECT a.grantee, 'the schema', 3, a.privilege_type, NULL
          FROM pg_namespace n, aclexplode(n.nspacl) a WHERE n.nspname = 'public'
         UNION ALL
        SELECT m.member, 'the role ' || m.roleid::regrole::text, 3, 'SET', NULL
          FROM pg_auth_members m WHERE m.member::regrole::text LIKE 'tallyport_%'
    ) AS found
"""
_POLICIES = """
    SELECT c.relname, r.rolname FROM pg_policy p
      JOIN pg_class c ON c.oid = p.polrelid JOIN pg_roles r ON r.oid = ANY (p.polroles)
     WHERE p.polname = 'of_every_store'
"""
ORDER = ("SELECT", "INSERT", "UPDATE", "DELETE")


async def rendered(connection: Connection) -> str:
    """Markdown: who, on what, which rights; and who may span stores where."""
    owner = await connection.fetchval("SELECT relowner FROM pg_class WHERE relname = 'reports'")
    names = {
        row["oid"]: row["rolname"]
        for row in await connection.fetch("SELECT oid, rolname FROM pg_roles")
    }
    found: defaultdict[tuple[str, int, str], list[str]] = defaultdict(list)
    for row in await connection.fetch(_RIGHTS):
        if row["grantee"] == owner or names.get(row["grantee"], "PUBLIC").startswith("pg_"):
            continue
        right = (
            row["privilege"] if row["columns"] is None else f"{row['privilege']} ({row['columns']})"
        )
        found[names.get(row["grantee"], "PUBLIC"), row["kind"], row["what"]].append(right)
    lines = ["| who | on what | which rights |", "|---|---|---|"]
    for (who, _, what), rights in sorted(found.items()):
        rights.sort(key=lambda r: ORDER.index(r.split()[0]) if r.split()[0] in ORDER else 9)
        lines.append(f"| `{who}` | `{what}` | {', '.join(rights)} |")
    spanning: defaultdict[str, list[str]] = defaultdict(list)
    for table, role in await connection.fetch(_POLICIES):
        spanning[role].append(f"`{table}`")
    lines += ["", "| who | may span stores in |", "|---|---|"]
    lines += [f"| `{role}` | {', '.join(sorted(t))} |" for role, t in sorted(spanning.items())]
    return "\n".join(lines)
