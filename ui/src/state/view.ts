/**
 * What is looked at, as it stands behind the # of the address: a view can be shared, kept and gone
 * back to. What is as it would be anyway is left out. The part behind the # is never sent anywhere.
 */

import { useCallback, useEffect, useState } from "preact/hooks";

import { MEASURES, type Measure, PERIODS, type Period } from "../api/numbers.ts";
import { PRESETS, type Preset } from "../time/ranges.ts";
import { isZone } from "../time/zones.ts";

export const CHARTS = { bars: "Bars", lines: "Lines", stacked: "Stacked" } as const;
export type Chart = keyof typeof CHARTS;
export const TOPS = [5, 10, 25, 100, 0] as const;

/** `register` and `zone`: null for the store's own. `sort`: a column, with a minus for falling. */
export interface View {
  readonly page: "numbers" | "reports";
  readonly register: number | null;
  readonly range: Preset;
  readonly from: string;
  readonly to: string;
  readonly period: Period;
  readonly zone: string | null;
  readonly by: readonly string[];
  readonly measure: Measure;
  readonly chart: Chart;
  readonly top: number;
  readonly sort: string;
}

const DEFAULT: View = {
  page: "numbers",
  register: null,
  range: "all",
  from: "",
  to: "",
  period: "month",
  zone: null,
  by: [],
  measure: "sum",
  chart: "bars",
  top: 5,
  sort: "",
};

/** The view of an address. What makes no sense there is as if it were not. */
export function read(hash: string): View {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?");
  const told = new URLSearchParams(query);
  const one = <T extends string>(name: string, known: Record<T, unknown>, otherwise: T): T => {
    const value = told.get(name);
    return value !== null && Object.hasOwn(known, value) ? (value as T) : otherwise;
  };
  const date = (name: string): string => {
    const value = told.get(name) ?? "";
    return /^\d{4}-\d\d-\d\d$/.test(value) && !Number.isNaN(Date.parse(value)) ? value : "";
  };
  const register = Number(told.get("register"));
  const zone = told.get("zone");
  const top = told.get("top") === "all" ? 0 : Number(told.get("top") ?? DEFAULT.top);
  return {
    page: path === "reports" ? "reports" : "numbers",
    register: Number.isSafeInteger(register) && register > 0 ? register : null,
    range: one("range", PRESETS, DEFAULT.range),
    from: date("from"),
    to: date("to"),
    period: one("period", PERIODS, DEFAULT.period),
    zone: zone !== null && isZone(zone) ? zone : null,
    by: [...new Set(told.getAll("by"))],
    measure: one("measure", MEASURES, DEFAULT.measure),
    chart: one("chart", CHARTS, DEFAULT.chart),
    top: (TOPS as readonly number[]).includes(top) ? top : DEFAULT.top,
    sort: told.get("sort") ?? "",
  };
}

/** The address of a view. */
export function write(view: View): string {
  const told = new URLSearchParams();
  const put = (name: keyof View, value: string) => {
    if (value !== "") told.set(name, value);
  };
  put("register", view.register === null ? "" : String(view.register));
  put("range", view.range === DEFAULT.range ? "" : view.range);
  if (view.range === "free") {
    put("from", view.from);
    put("to", view.to);
  }
  put("period", view.period === DEFAULT.period ? "" : view.period);
  put("zone", view.zone ?? "");
  for (const label of view.by) told.append("by", label);
  put("measure", view.measure === DEFAULT.measure ? "" : view.measure);
  put("chart", view.chart === DEFAULT.chart ? "" : view.chart);
  put("top", view.top === DEFAULT.top ? "" : view.top === 0 ? "all" : String(view.top));
  put("sort", view.sort);
  const query = told.toString();
  return `#/${view.page}${query ? `?${query}` : ""}`;
}

export type Change = (change: Partial<View>) => void;

/** The view, and how to change it: each change is a step that the browser can go back. */
export function useView(): [View, Change] {
  const [view, setView] = useState(() => read(location.hash));
  useEffect(() => {
    const moved = () => setView(read(location.hash));
    addEventListener("popstate", moved);
    return () => removeEventListener("popstate", moved);
  }, []);
  const change = useCallback<Change>((wanted) => {
    const address = write({ ...read(location.hash), ...wanted });
    if (address !== location.hash) history.pushState(null, "", address);
    setView(read(address));
  }, []);
  return [view, change];
}
