/** Asking for a report: which, of which days, as what kind of file. */

import { useId, useState } from "preact/hooks";

import { type Api, isAborted } from "../api/client.ts";
import { extent } from "../api/numbers.ts";
import { create, FORMATS, type Format, KINDS, type Kind, newKey, type Report } from "../api/reports.ts";
import type { Register, Store } from "../api/store.ts";
import { Choice } from "../parts/choice.tsx";
import { useNarrow } from "../parts/narrow.ts";
import { RangeChoice } from "../parts/range_choice.tsx";
import type { Change, View } from "../state/view.ts";
import { type Days, daysOf } from "../time/ranges.ts";
import { dateAt, plusDays } from "../time/zones.ts";

interface Props {
  readonly api: Api;
  readonly view: View;
  readonly change: Change;
  readonly store: Store;
  readonly registers: readonly Register[];
  readonly mayWrite: boolean;
  readonly onError: (error: unknown) => void;
  readonly onAsked: (report: Report) => void;
}

export function ReportWish(props: Props) {
  const { api, view, change, store, mayWrite, onError, onAsked } = props;
  const [kind, setKind] = useState<Kind>("complete");
  const [format, setFormat] = useState<Format>("csv");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const id = useId();
  const narrow = useNarrow();
  const today = () => dateAt(Date.now(), store.timezone);

  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      const days = await daysWanted(props, today());
      onAsked(await create(api, { kind, format, days }, newKey()));
    } catch (error) {
      if (!isAborted(error)) {
        onError(error);
        setProblem((error as Error).message);
      }
    }
    setBusy(false);
  };

  return (
    <details class="controls" open={!narrow}>
      <summary>Ask for a report</summary>
      <form class="controls-form" aria-label="Ask for a report" onSubmit={submit}>
        <fieldset class="kinds">
          <legend>Report</legend>
          {(Object.entries(KINDS) as [Kind, readonly [string, string]][]).map(([value, [name, told]]) => (
            <label key={value} class="kind">
              <input
                type="radio"
                name="kind"
                value={value}
                checked={value === kind}
                onChange={() => setKind(value)}
              />
              <span>
                <strong>{name}</strong>
                <span class="quiet">{told}</span>
              </span>
            </label>
          ))}
        </fieldset>
        <RangeChoice
          view={view}
          change={change}
          start={() => ({ from: plusDays(today(), -29), to: today() })}
        />
        <Choice legend="Format" name="format" options={FORMATS} value={format} onChange={setFormat} />
        <p class="quiet hint">Days are those of the store's clock, {store.timezone.replaceAll("_", " ")}.</p>
        {problem && (
          <p class="problem" role="alert" id={`${id}-problem`}>
            {problem}
          </p>
        )}
        <button type="submit" class="button button-main" disabled={busy || !mayWrite}>
          {busy ? "Asking …" : "Ask for the report"}
        </button>
        {!mayWrite && <p class="quiet hint">This token may look only: it lacks the scope write.</p>}
      </form>
    </details>
  );
}

/** All data: of all that the sales register has, or, without one, of all time that anybody means. */
async function daysWanted({ api, view, store, registers }: Props, today: string): Promise<Days> {
  const known = daysOf(view.range, Date.now(), store.timezone);
  if (known !== null) return known;
  if (view.range === "free" && view.from && view.to) {
    return view.from <= view.to ? { from: view.from, to: view.to } : { from: view.to, to: view.from };
  }
  const sales = registers.find((one) => one.is_sales);
  const found = sales ? await extent(api, sales.id, store.timezone) : null;
  return found ?? { from: "2000-01-01", to: today };
}
