/** Reports: what to ask for at the side, what became of those asked for. */

import { useState } from "preact/hooks";

import type { Api } from "../api/client.ts";
import { idOf } from "../api/reports.ts";
import type { Register, Store } from "../api/store.ts";
import { Empty, Failure, Loading } from "../parts/states.tsx";
import { useTitle } from "../parts/use_title.ts";
import type { Change, View } from "../state/view.ts";
import { ReportItem } from "./report_item.tsx";
import { ReportWish } from "./report_wish.tsx";
import { LISTED, useReports } from "./use_reports.ts";

interface Props {
  readonly api: Api;
  readonly view: View;
  readonly change: Change;
  readonly onError: (error: unknown) => void;
  readonly store: Store;
  readonly registers: readonly Register[];
}

export function ReportsPage({ api, view, change, onError, store, registers }: Props) {
  const { kept, error, busy, again, put, drop } = useReports(api, onError);
  const [said, setSaid] = useState("");
  useTitle(`Reports, ${store.name}`);
  const mayWrite = store.scopes.includes("write");
  return (
    <div class="sides">
      <ReportWish
        {...{ api, view, change, store, registers, mayWrite, onError }}
        onAsked={(report) => {
          put(report);
          setSaid("The report was asked for.");
        }}
      />
      <section class="answer" aria-labelledby="reports-title" aria-busy={busy}>
        <header class="answer-head">
          <div>
            <h1 id="reports-title">Reports</h1>
            <p class="quiet">
              {kept && kept.total > kept.reports.length
                ? `The newest ${Math.min(LISTED, kept.reports.length)} of ${kept.total.toLocaleString("en")}.`
                : "Files of what was recorded. They are kept for a while after they are ready."}
            </p>
          </div>
          <div class="actions">
            <button type="button" class="button" onClick={again}>
              Refresh
            </button>
          </div>
        </header>
        <p class="visually-hidden" role="status">
          {said}
        </p>
        {error ? (
          <Failure error={error} level={2} onAgain={again} />
        ) : kept === null ? (
          <Loading what="the reports" />
        ) : kept.reports.length === 0 ? (
          <Empty title="No reports yet" level={2}>
            <p>Ask for one: it is built while you wait, or while you do something else.</p>
          </Empty>
        ) : (
          <ul class="reports">
            {kept.reports.map((report) => (
              <ReportItem
                key={idOf(report)}
                {...{ api, report, zone: store.timezone, mayWrite, onError }}
                onGone={(id) => {
                  drop(id);
                  setSaid("The report was removed.");
                }}
                onChanged={put}
              />
            ))}
          </ul>
        )}
      </section>
    </div>
  );
}
