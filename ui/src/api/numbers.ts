/** Asking for numbers, and reading the answer without losing a digit. */

import { parse } from "lossless-json";

import type { Days } from "../time/ranges.ts";
import { endOfMonth } from "../time/ranges.ts";
import { dateAt, instants } from "../time/zones.ts";
import type { Api } from "./client.ts";

export const MEASURES = { sum: "Sum", count: "Count", average: "Average" } as const;
export type Measure = keyof typeof MEASURES;

export const PERIODS = {
  all: "None",
  day: "Day",
  week: "Week",
  month: "Month",
  quarter: "Quarter",
  year: "Year",
} as const;
export type Period = keyof typeof PERIODS;

export interface Question {
  readonly register: number;
  readonly days: Days;
  readonly zone: string;
  readonly period: Period;
  readonly by: readonly string[];
  readonly measure: Measure;
  /** How many groups, the largest first, before the rest become one; 0 for all. */
  readonly top: number;
}

/** `group` is what the columns have, in their order; empty where none was asked for. */
export interface Row {
  readonly period: string;
  readonly group: readonly string[];
  /** The group of all that are not shown on their own. */
  readonly isOther: boolean;
  readonly value: string;
}

export interface Numbers {
  readonly title: string;
  readonly rows: readonly Row[];
  /** Of all that the range has, in every group. */
  readonly total: string;
  /** How many items that are. */
  readonly items: string;
}

class Exact {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

interface Values {
  readonly values: Readonly<Record<string, Exact>>;
}

interface Answer {
  readonly title: string;
  readonly rows: readonly (Values & {
    readonly period: string;
    readonly group: string | readonly string[];
    readonly other?: boolean;
  })[];
  readonly totals: { readonly all: Values };
}

export async function ask(api: Api, question: Question, signal?: AbortSignal): Promise<Numbers> {
  // Whether there is anything: amounts may well add up to nothing.
  const measures = new Set([question.measure, "count"]);
  const response = await api.call("reports/query", {
    method: "POST",
    body: { ...body(question), measures: [...measures], totals: true },
    signal,
  });
  const answer = parse(await response.text(), null, (text) => new Exact(text)) as Answer;
  const value = ({ values }: Values): string => values[question.measure]?.text ?? "0";
  const both = `${MEASURES[question.measure]}, ${MEASURES.count}`;
  return {
    title: answer.title.replace(both, MEASURES[question.measure]),
    total: value(answer.totals.all),
    items: answer.totals.all.values["count"]?.text ?? "0",
    rows: answer.rows.map((row) => ({
      period: row.period,
      group: question.by.length === 0 ? [] : typeof row.group === "string" ? [row.group] : row.group,
      isOther: row.other === true,
      value: value(row),
    })),
  };
}

/** The same numbers as the API writes them into a CSV file. */
export async function askCsv(api: Api, question: Question): Promise<Blob> {
  const options = { method: "POST", body: body(question), accept: "text/csv" };
  return (await api.call("reports/query", options)).blob();
}

function body(question: Question): Record<string, unknown> {
  const { start, end } = instants(question.days.from, question.days.to, question.zone);
  const asked: Record<string, unknown> = {
    register_id: question.register,
    start_at: start,
    end_at: end,
    timezone: question.zone,
    group_by_period: question.period,
    group_by: question.by,
    measures: [question.measure],
  };
  if (question.by.length > 0) {
    asked["order"] = { measure: question.measure };
    if (question.top > 0) asked["limit"] = question.top;
  }
  return asked;
}

interface Counted {
  readonly count: readonly { readonly period: string; readonly value: number }[];
}

const LOOKED_AHEAD_YEARS = 50;

/**
 * From the day of a register's first item to the end of the month of its last; null when it is empty.
 * The first comes with a listing; the last is found by counting years, then that year's months.
 */
export async function extent(
  api: Api,
  register: number,
  zone: string,
  signal?: AbortSignal,
): Promise<Days | null> {
  const listed = await api.json<{ items: { originated_at: string }[] }>(
    `registers/${register}/items?limit=1`,
    { signal },
  );
  const first = listed.items[0]?.originated_at;
  if (first === undefined) return null;
  const from = dateAt(Date.parse(first), zone);
  const count = async (days: Days, period: Period): Promise<Counted> =>
    api.json<Counted>("reports/item_count", {
      method: "POST",
      body: {
        register_id: register,
        start_at: instants(days.from, days.to, zone).start,
        end_at: instants(days.from, days.to, zone).end,
        timezone: zone,
        group_by_period: period,
      },
      signal,
    });
  const ahead = new Date().getUTCFullYear() + LOOKED_AHEAD_YEARS;
  const years = await count({ from, to: `${ahead}-12-31` }, "year");
  const year = years.count.findLast((row) => row.value > 0)?.period ?? from.slice(0, 4);
  const months = await count({ from: `${year}-01-01`, to: `${year}-12-31` }, "month");
  const month = months.count.findLastIndex((row) => row.value > 0) + 1 || 12;
  return { from, to: endOfMonth(year, month) };
}
