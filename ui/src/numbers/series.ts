/** The rows of an answer as what a chart draws: floats here, and only here. */

import type { Numbers, Row } from "../api/numbers.ts";

/** More lines or colours than this nobody tells apart. */
export const SERIES_MAX = 11;
const BARS_MAX = 101;

export interface Series {
  readonly name: string;
  readonly isOther: boolean;
  readonly values: readonly number[];
  /** The same, exactly: what is told of a point. */
  readonly exact: readonly string[];
  /** Where along the bottom the others stand together; -1 for nowhere. */
  readonly otherPlace: number;
}

export interface Drawing {
  readonly labels: readonly string[];
  readonly series: readonly Series[];
  /** How many groups there are besides those that are drawn. */
  readonly left: number;
}

export const ALL = "All";

export function nameOf(row: Pick<Row, "group" | "isOther">): string {
  if (row.isOther) return "All others";
  return row.group.length === 0 ? ALL : row.group.map((value) => value || "(none)").join(" · ");
}

/** Periods along the bottom and a series for each group; without periods the groups are the bottom. */
export function drawingOf(numbers: Numbers, hasPeriods: boolean): Drawing {
  const byGroup = new Map<string, Row[]>();
  for (const row of numbers.rows) {
    const key = JSON.stringify([row.isOther, row.group]);
    const rows = byGroup.get(key);
    if (rows) rows.push(row);
    else byGroup.set(key, [row]);
  }
  const groups = [...byGroup.values()];
  if (!hasPeriods && numbers.rows.some((row) => row.group.length > 0 || row.isOther)) {
    const drawn = numbers.rows.slice(0, BARS_MAX);
    return {
      labels: drawn.map(nameOf),
      series: [seriesOf(ALL, drawn)],
      left: numbers.rows.length - drawn.length,
    };
  }
  const drawn = groups.slice(0, SERIES_MAX);
  return {
    labels: (groups[0] ?? []).map((row) => row.period),
    series: drawn.flatMap((rows) => (rows[0] ? [seriesOf(nameOf(rows[0]), rows)] : [])),
    left: groups.length - drawn.length,
  };
}

function seriesOf(name: string, rows: readonly Row[]): Series {
  return {
    name,
    isOther: rows[0]?.isOther === true && name !== ALL,
    values: rows.map((row) => Number(row.value)),
    exact: rows.map((row) => row.value),
    otherPlace: name === ALL ? rows.findIndex((row) => row.isOther) : -1,
  };
}
