/** The list of recent reports, kept as it is: what is being built is watched. */

import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";

import type { Api } from "../api/client.ts";
import { watch } from "../api/events.ts";
import { idOf, list, type Report } from "../api/reports.ts";
import { type Answered, useAnswer } from "../parts/use_answer.ts";

export const LISTED = 20;
/** A browser has six connections to one place: the rest of the page needs some. */
const WATCHED_MAX = 3;

export interface Kept {
  readonly reports: readonly Report[];
  readonly total: number;
}

export interface Reports extends Omit<Answered<Kept>, "answer"> {
  readonly kept: Kept | null;
  readonly put: (report: Report) => void;
  readonly drop: (id: number) => void;
}

export function useReports(api: Api, onError: (error: unknown) => void): Reports {
  const load = useCallback((signal: AbortSignal) => list(api, LISTED, signal), [api]);
  const { answer, ...rest } = useAnswer<Kept>(load, onError);
  const [kept, setKept] = useState<Kept | null>(null);
  useEffect(() => {
    if (answer !== null) setKept(answer);
  }, [answer]);
  const put = useCallback((report: Report) => setKept((before) => before && withReport(before, report)), []);
  const drop = useCallback((id: number) => setKept((before) => before && withoutReport(before, id)), []);

  // The oldest first: they are built first.
  const waiting = useMemo(
    () =>
      (kept?.reports ?? [])
        .filter((report) => report.status === "queued")
        .map(idOf)
        .sort((a, b) => a - b)
        .slice(0, WATCHED_MAX)
        .join(" "),
    [kept],
  );
  const streams = useRef(new Map<number, AbortController>());
  useEffect(() => {
    const wanted = new Set(waiting.split(" ").filter(Boolean).map(Number));
    for (const [id, stream] of streams.current) {
      if (wanted.has(id)) continue;
      stream.abort();
      streams.current.delete(id);
    }
    for (const id of wanted) {
      if (streams.current.has(id)) continue;
      const stream = new AbortController();
      streams.current.set(id, stream);
      watch(api, id, (news) => ("removed" in news ? drop(id) : put(news.report)), stream.signal).catch(onError);
    }
  }, [waiting, api, put, drop, onError]);
  useEffect(
    () => () => {
      for (const stream of streams.current.values()) stream.abort();
      streams.current.clear();
    },
    [api],
  );
  return { ...rest, kept, put, drop };
}

function withReport({ reports, total }: Kept, report: Report): Kept {
  const id = idOf(report);
  return reports.some((one) => idOf(one) === id)
    ? { reports: reports.map((one) => (idOf(one) === id ? report : one)), total }
    : { reports: [report, ...reports], total: total + 1 };
}

function withoutReport({ reports, total }: Kept, id: number): Kept {
  const left = reports.filter((one) => idOf(one) !== id);
  return { reports: left, total: total - (reports.length - left.length) };
}
