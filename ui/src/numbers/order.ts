/** Sorting the table: `value` or `-value`, `period`, a column by its place (`0`), or as it came. */

import type { Row } from "../api/numbers.ts";
import { compare } from "../exact/decimal.ts";

export interface Sort {
  readonly column: string;
  readonly falling: boolean;
}

export function readSort(text: string): Sort {
  return text.startsWith("-") ? { column: text.slice(1), falling: true } : { column: text, falling: false };
}

/** What a press on a column's head asks for: rising, falling, as it came. Values begin falling. */
export function nextSort(text: string, column: string): string {
  const cycle = column === "value" ? [`-${column}`, column, ""] : [column, `-${column}`, ""];
  return cycle[(cycle.indexOf(text) + 1) % cycle.length] ?? "";
}

/** Equal rows stay as they came. */
export function sorted(rows: readonly Row[], sort: string): readonly Row[] {
  const { column, falling } = readSort(sort);
  const by = comparison(rows, column);
  if (by === null) return rows;
  return rows.toSorted((a, b) => (falling ? by(b, a) : by(a, b)));
}

function comparison(rows: readonly Row[], column: string): ((a: Row, b: Row) => number) | null {
  if (column === "value") return (a, b) => compare(a.value, b.value);
  if (column === "period") {
    // By time, which is how they come in each group; their names would sort April first.
    const places = new Map<string, number>();
    for (const row of rows) if (!places.has(row.period)) places.set(row.period, places.size);
    return (a, b) => (places.get(a.period) ?? 0) - (places.get(b.period) ?? 0);
  }
  if (!/^\d$/.test(column)) return null;
  const place = Number(column);
  return (a, b) =>
    Number(a.isOther) - Number(b.isOther) ||
    (a.group[place] ?? "").localeCompare(b.group[place] ?? "", "en", { numeric: true });
}
