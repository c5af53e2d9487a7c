/** The ranges that can be picked, and what days they are today. */

import { dateAt, plusDays } from "./zones.ts";

export const PRESETS = {
  all: "All data",
  today: "Today",
  "7d": "Last 7 days",
  "30d": "Last 30 days",
  month: "This month",
  quarter: "This quarter",
  year: "This year",
  free: "From … to …",
} as const;

export type Preset = keyof typeof PRESETS;

/** Both days are part of it. */
export interface Days {
  readonly from: string;
  readonly to: string;
}

/** The days of a preset that needs nothing but a calendar; null for those that need more. */
export function daysOf(preset: Preset, now: number, zone: string): Days | null {
  const today = dateAt(now, zone);
  const [year = "", month = ""] = today.split("-");
  switch (preset) {
    case "today":
      return { from: today, to: today };
    case "7d":
      return { from: plusDays(today, -6), to: today };
    case "30d":
      return { from: plusDays(today, -29), to: today };
    case "month":
      return { from: `${year}-${month}-01`, to: endOfMonth(year, Number(month)) };
    case "quarter": {
      const first = Math.floor((Number(month) - 1) / 3) * 3 + 1;
      return {
        from: `${year}-${String(first).padStart(2, "0")}-01`,
        to: endOfMonth(year, first + 2),
      };
    }
    case "year":
      return { from: `${year}-01-01`, to: `${year}-12-31` };
    case "all":
    case "free":
      return null;
  }
}

/** The last day of a month (1 to 12). */
export function endOfMonth(year: string, month: number): string {
  const next = new Date(`${year}-01-01T00:00:00Z`);
  next.setUTCMonth(month);
  return plusDays(next.toISOString().slice(0, 10), -1);
}

/** `1 Dec 2010`. */
export function shownDate(date: string): string {
  return new Date(`${date}T00:00:00Z`).toLocaleDateString("en-GB", {
    timeZone: "UTC",
    day: "numeric",
    month: "short",
    year: "numeric",
  });
}

/** `1 Dec 2010 – 31 Dec 2011`, or one date. */
export function shownDays({ from, to }: Days): string {
  return from === to ? shownDate(from) : `${shownDate(from)} – ${shownDate(to)}`;
}
