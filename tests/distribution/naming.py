"""Whether a statement names the store, for each table of stores that it touches.

Comes in: SQL, and the names of the tables that have `store_id`. Goes out: the places where such a
table is read or written without it. A place names its store if its `store_id` must be equal to a
value that the statement is given: directly, or by way of other columns `store_id` that must be.
That is how Citus finds the one shard for a statement: from its text, not from row security.

    unnamed("SELECT 1 FROM items JOIN lists l USING (store_id) WHERE l.store_id = $1", {...}) == []

The text is parsed by PostgreSQL's own grammar (libpg_query). What this does not know how to follow
counts as not named, so a mistake here shows as a complaint, not as silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import Any

import postgast
from google.protobuf.json_format import MessageToDict

STORE = "store_id"
Tree = dict[str, Any]


@dataclass(eq=False)
class Relation:
    """Something in FROM. `has_store`: it has a column `store_id`; `is_table`: a table of stores,
    which has to be named; `is_bound`: its `store_id` is a value that was given."""

    name: str
    table: str
    has_store: bool
    is_table: bool = False
    is_bound: bool = False


@dataclass(eq=False)
class Scope:
    """One SELECT, UPDATE or DELETE. `sure` conditions hold for every row that comes out or is
    changed; those of an outer join only say what its optional side is joined to."""

    outer: Scope | None
    with_queries: dict[str, bool | None] = field(default_factory=dict)
    relations: list[Relation] = field(default_factory=list)
    sure: list[tuple[Tree, list[Relation] | None]] = field(default_factory=list)
    pairs: list[tuple[Relation, Relation, list[Relation] | None]] = field(default_factory=list)

    def find(self, column: Tree) -> Relation | None:
        """Whose `store_id` the column is. One of a query around this one is nobody's: Citus looks
        for the shard of a subquery in its own conditions, and asks all of them otherwise."""
        names = [part["String"]["sval"] for part in column["fields"] if "String" in part]
        if not names or names[-1] != STORE:
            return None
        for relation in self.relations:
            if relation.has_store and (len(names) == 1 or relation.name == names[-2]):
                return relation
        return None

    def query(self, name: str) -> tuple[bool, bool | None]:
        """(whether there is a WITH query of this name, whether its `store_id` is bound or None)."""
        if name in self.with_queries:
            return True, self.with_queries[name]
        return self.outer.query(name) if self.outer else (False, None)

    def settle(self) -> None:
        """Bind what the conditions bind, as far as it goes."""
        while any(self._learn(*one) for one in self._equal()):
            pass

    def _learn(self, relation: Relation, is_bound: bool, only: list[Relation] | None) -> bool:
        if relation.is_bound or not is_bound or (only is not None and relation not in only):
            return False
        relation.is_bound = True
        return True

    def _equal(self) -> Iterator[tuple[Relation, bool, list[Relation] | None]]:
        for left, right, only in self.pairs:
            yield left, right.is_bound, only
            yield right, left.is_bound, only
        for condition, only in self.sure:
            for one, other in ((0, 1), (1, 0)):
                sides = (condition["lexpr"], condition["rexpr"])
                column = sides[one].get("ColumnRef")
                relation = self.find(column) if column else None
                if relation in self.relations and relation is not None:
                    yield relation, self.is_given(sides[other]), only

    def is_given(self, expression: Tree) -> bool:
        """Whether it is a value that the statement is given."""
        ((kind, node),) = expression.items()
        if kind in ("ParamRef", "A_Const"):
            return True
        if kind == "TypeCast":
            return self.is_given(node["arg"])
        if kind == "ColumnRef":
            relation = self.find(node)
            return relation is not None and relation.is_bound
        return False


class _Reading:
    def __init__(self, tables: Set[str]) -> None:
        self.tables = tables
        self.unnamed: list[str] = []

    def statement(self, node: Tree, outer: Scope | None) -> bool | None:
        """Read it; whether a `store_id` among its columns is bound, None if there is none."""
        ((kind, body),) = node.items()
        if kind == "SelectStmt" and body.get("op", "SETOP_NONE") != "SETOP_NONE":
            return self._both(body, outer)
        if kind in ("SelectStmt", "UpdateStmt", "DeleteStmt"):
            return self._query(kind, body, outer)
        if kind == "InsertStmt":
            return self._insert(body, outer)
        if kind in ("CopyStmt", "ExplainStmt") and "query" in body:
            return self.statement(body["query"], outer)
        if kind == "CopyStmt":
            columns = [name["String"]["sval"] for name in body.get("attlist", [])]
            if STORE in columns:
                return None
        # Not of rows, or of all there are.
        touched = [one.get("relname") for one in _nodes(body, "RangeVar", "relation")]
        self.unnamed += [name for name in touched if name in self.tables]
        return None

    def _both(self, body: Tree, outer: Scope | None) -> bool | None:
        """UNION and the like."""
        scope = Scope(outer)
        self._with(body, scope)
        sides = [self.statement({"SelectStmt": body[side]}, scope) for side in ("larg", "rarg")]
        return None if None in sides else all(sides)

    def _with(self, body: Tree, scope: Scope) -> None:
        for query in body.get("withClause", {}).get("ctes", []):
            named = query["CommonTableExpr"]
            scope.with_queries[named["ctename"]] = self.statement(named["ctequery"], scope)

    def _query(self, kind: str, body: Tree, outer: Scope | None) -> bool | None:
        scope = Scope(outer)
        self._with(body, scope)
        if kind != "SelectStmt":
            self._relation({"RangeVar": body["relation"]}, scope)
        later: list[tuple[Relation, Tree]] = []
        for item in (*body.get("fromClause", ()), *body.get("usingClause", ())):
            self._from(item, scope, later)
        self._conditions(body.get("whereClause"), scope, None)
        scope.settle()
        # What may look at what stands beside it is read once that is known.
        for relation, inner in later:
            bound = self.statement(inner, scope)
            relation.has_store, relation.is_bound = bound is not None, bool(bound)
        scope.settle()
        self.unnamed += [one.table for one in scope.relations if one.is_table and not one.is_bound]
        rest = {key: value for key, value in body.items() if key not in ("withClause", "relation")}
        self._inside(rest, scope)
        columns = body.get("targetList" if kind == "SelectStmt" else "returningList")
        if columns is None and "returningClause" in body:
            columns = body["returningClause"]["exprs"]
        return self._among(columns or [], scope)

    def _insert(self, body: Tree, outer: Scope | None) -> bool | None:
        scope = Scope(outer)
        self._with(body, scope)
        table = body["relation"]["relname"]
        names = [column["ResTarget"]["name"] for column in body.get("cols", [])]
        if "selectStmt" in body:
            self.statement(body["selectStmt"], scope)
        if table in self.tables and STORE not in names:
            self.unnamed.append(table)
        scope.relations.append(Relation(_alias(body["relation"]), table, True, is_bound=True))
        rest = {key: body[key] for key in ("onConflictClause", "returningClause") if key in body}
        self._inside(rest, scope)
        columns = body.get("returningClause", {}).get("exprs", body.get("returningList", []))
        return self._among(columns, scope)

    def _from(self, item: Tree, scope: Scope, later: list[tuple[Relation, Tree]]) -> list[Relation]:
        """Put it into the scope; the relations that it consists of."""
        ((kind, node),) = item.items()
        if kind == "JoinExpr":
            left = self._from(node["larg"], scope, later)
            right = self._from(node["rarg"], scope, later)
            optional = {"JOIN_LEFT": right, "JOIN_RIGHT": left, "JOIN_FULL": []}
            only = optional.get(node.get("jointype", "JOIN_INNER"))
            self._conditions(node.get("quals"), scope, only)
            if STORE in [name["String"]["sval"] for name in node.get("usingClause", [])]:
                sides = [next(one for one in side if one.has_store) for side in (left, right)]
                scope.pairs.append((sides[0], sides[1], only))
            return left + right
        if kind == "RangeSubselect":
            relation = Relation(_alias(node), "", False)
            if node.get("lateral"):
                later.append((relation, node["subquery"]))
            else:
                bound = self.statement(node["subquery"], scope)
                relation.has_store, relation.is_bound = bound is not None, bool(bound)
            scope.relations.append(relation)
            return [relation]
        if kind == "RangeVar":
            return [self._relation(item, scope)]
        names = [name["String"]["sval"] for name in node.get("alias", {}).get("colnames", [])]
        scope.relations.append(Relation(_alias(node), "", STORE in names))
        return scope.relations[-1:]

    def _relation(self, item: Tree, scope: Scope) -> Relation:
        node = item["RangeVar"]
        is_query, bound = scope.query(node["relname"])
        if is_query and "schemaname" not in node:
            relation = Relation(_alias(node), "", bound is not None, is_bound=bool(bound))
        else:
            is_table = node["relname"] in self.tables and node.get("schemaname") != "pg_temp"
            relation = Relation(_alias(node), node["relname"], is_table, is_table)
        scope.relations.append(relation)
        return relation

    def _conditions(
        self, condition: Tree | None, scope: Scope, only: list[Relation] | None
    ) -> None:
        """Note the equalities that all have to hold."""
        if condition is None:
            return
        ((kind, node),) = condition.items()
        if kind == "BoolExpr" and node["boolop"] == "AND_EXPR":
            for part in node["args"]:
                self._conditions(part, scope, only)
        elif kind == "A_Expr" and node["kind"] == "AEXPR_OP" and _operator(node) == "=":
            scope.sure.append((node, only))

    def _inside(self, node: Any, scope: Scope) -> None:
        """Read the queries within expressions."""
        if isinstance(node, list):
            for one in node:
                self._inside(one, scope)
        elif isinstance(node, dict):
            for key, value in node.items():
                if key == "SubLink":
                    self.statement(value["subselect"], scope)
                    self._inside(value.get("testexpr"), scope)
                elif key != "RangeSubselect":
                    self._inside(value, scope)

    def _among(self, columns: Iterable[Tree], scope: Scope) -> bool | None:
        for column in columns:
            target = column["ResTarget"]
            if "val" not in target:
                continue
            ((kind, node),) = target["val"].items()
            last = node["fields"][-1] if kind == "ColumnRef" else {}
            if "A_Star" in last:
                owner = node["fields"][0].get("String", {}).get("sval")
                having = [
                    one for one in scope.relations if one.has_store and owner in (None, one.name)
                ]
                if having:
                    return having[0].is_bound
            elif target.get("name", last.get("String", {}).get("sval")) == STORE:
                return scope.is_given(target["val"])
        return None


def _operator(node: Tree) -> str:
    return str(node["name"][-1]["String"]["sval"])


def _alias(node: Tree) -> str:
    return str(node.get("alias", {}).get("aliasname", node.get("relname", "")))


def _nodes(tree: Any, *keys: str) -> Iterator[Tree]:
    if isinstance(tree, list):
        for one in tree:
            yield from _nodes(one, *keys)
    elif isinstance(tree, dict):
        for key, value in tree.items():
            if key in keys and isinstance(value, dict):
                yield value
            yield from _nodes(value, *keys)


def trees(sql: str) -> list[Tree]:
    """The statements of a text, as PostgreSQL's grammar sees them."""
    parsed: Mapping[str, Any] = MessageToDict(postgast.parse(sql))
    return [one["stmt"] for one in parsed.get("stmts", [])]


def unnamed(sql: str, tables: Set[str]) -> list[str]:
    """The tables, of those that have `store_id`, that the text touches without naming it; a table
    as often as it does. Raises `postgast.PgQueryError` for what is no SQL."""
    reading = _Reading(tables)
    for tree in trees(sql):
        reading.statement(tree, None)
    return sorted(reading.unnamed)
