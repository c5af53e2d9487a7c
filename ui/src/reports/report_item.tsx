/** One report: what it is, how far it is, what can be done with it. */

import { useState } from "preact/hooks";

import type { Api } from "../api/client.ts";
import { FORMATS, find, idOf, KINDS, remove, type Report } from "../api/reports.ts";
import { shownDays } from "../time/ranges.ts";

interface Props {
  readonly api: Api;
  readonly report: Report;
  readonly zone: string;
  readonly mayWrite: boolean;
  readonly onError: (error: unknown) => void;
  readonly onGone: (id: number) => void;
  readonly onChanged: (report: Report) => void;
}

export function ReportItem({ api, report, zone, mayWrite, onError, onGone, onChanged }: Props) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const id = idOf(report);
  const name = named(KINDS, report.name)?.[0] ?? report.name;
  const days = { from: report.datetime_start.slice(0, 10), to: report.datetime_end.slice(0, 10) };
  const act = async (what: () => Promise<void>) => {
    setBusy(true);
    setProblem(null);
    try {
      await what();
    } catch (error) {
      onError(error);
      setProblem((error as Error).message);
    }
    setBusy(false);
  };
  const take = () =>
    act(async () => {
      // A link works for minutes: each press gets a fresh one.
      const fresh = await find(api, id);
      onChanged(fresh);
      const link = fresh._links["fx:download_url"];
      if (link) location.assign(link.href);
    });
  const away = () => act(async () => remove(api, id).then(() => onGone(id)));
  return (
    <li class="report" data-status={report.status}>
      <div class="report-what">
        <h2>{name}</h2>
        <p>{shownDays(days)}</p>
        <p class="quiet">
          {named(FORMATS, report.format) ?? report.format}, asked for {moment(report.date_created, zone)}
        </p>
      </div>
      <div class="report-state">
        <State report={report} name={name} />
        {problem && (
          <p class="problem" role="alert">
            {problem}
          </p>
        )}
      </div>
      <div class="report-actions">
        {report._links["fx:download_url"] && (
          <button type="button" class="button button-main" disabled={busy} onClick={take}>
            Download<span class="visually-hidden"> {name}, {shownDays(days)}</span>
          </button>
        )}
        {mayWrite && (
          <button type="button" class="button button-quiet" disabled={busy} onClick={away}>
            {report.status === "queued" ? "Cancel" : "Remove"}
            <span class="visually-hidden"> {name}, {shownDays(days)}</span>
          </button>
        )}
      </div>
    </li>
  );
}

function State({ report, name }: { report: Report; name: string }) {
  if (report.status === "error") {
    return (
      <>
        <p class="badge badge-failed">Failed</p>
        <p>{report.failure?.message ?? "It could not be built."}</p>
        {report.failure && (
          <p class="quiet">
            <code>{report.failure.code}</code> after {counted(report.attempts, "attempt")}
          </p>
        )}
      </>
    );
  }
  if (report.status === "ready") {
    const rows = (report.files ?? []).reduce((sum, file) => sum + file.rows, 0);
    return (
      <>
        <p class={`badge ${report.file_expired ? "" : "badge-ready"}`}>
          {report.file_expired ? "Expired" : "Ready"}
        </p>
        <p class="quiet">
          {report.file_expired
            ? "Its file was kept for as long as files are. Ask for it again."
            : `${counted(rows, "row")}${report.download ? `, ${size(report.download.bytes)}` : ""}`}
        </p>
      </>
    );
  }
  const { progress } = report;
  const percent = progress?.percent ?? null;
  const place = progress?.queue_position ?? null;
  return (
    <>
      <p class="badge badge-queued">{progress && progress.rows_written > 0 ? "Being built" : "Waiting"}</p>
      <progress
        max={100}
        value={percent ?? undefined}
        aria-label={`Progress of ${name}`}
      />
      <p class="quiet" role="status">
        {place !== null && place > 0 ? `Place ${place.toLocaleString("en")} in the queue` : (progress?.stage ?? "")}
        {progress && progress.rows_written > 0 ? `, ${counted(progress.rows_written, "row")}` : ""}
        {percent !== null && percent > 0 ? `, ${percent} %` : ""}
        {report.attempts > 1 ? `, attempt ${report.attempts}` : ""}
      </p>
    </>
  );
}

function named<T>(names: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(names, key) ? names[key] : undefined;
}

function counted(count: number, one: string): string {
  return `${count.toLocaleString("en")} ${one}${count === 1 ? "" : "s"}`;
}

const UNITS = ["bytes", "kB", "MB", "GB", "TB"];

function size(bytes: number): string {
  let [amount, unit] = [bytes, 0];
  while (amount >= 1000 && unit < UNITS.length - 1) [amount, unit] = [amount / 1000, unit + 1];
  return `${amount.toFixed(unit > 0 && amount < 100 ? 1 : 0)} ${UNITS[unit]}`;
}

/** `2026-11-22T06:18:32+0000`, by the store's clock. */
function moment(text: string, zone: string): string {
  const instant = Date.parse(text.replace(/([+-]\d\d)(\d\d)$/, "$1:$2"));
  if (Number.isNaN(instant)) return text;
  return new Date(instant).toLocaleString("en-GB", { timeZone: zone, dateStyle: "medium", timeStyle: "short" });
}
