/** The question, as one puts it together. On a phone it folds away. */

import { useId, useMemo } from "preact/hooks";

import { MEASURES, PERIODS, type Period } from "../api/numbers.ts";
import { labelsOf, type Register, type Store } from "../api/store.ts";
import { Choice } from "../parts/choice.tsx";
import { useNarrow } from "../parts/narrow.ts";
import { RangeChoice } from "../parts/range_choice.tsx";
import { type Change, TOPS, type View } from "../state/view.ts";
import { dateAt, plusDays, zonesByRegion } from "../time/zones.ts";

interface Props {
  readonly view: View;
  readonly change: Change;
  readonly store: Store;
  readonly registers: readonly Register[];
  readonly register: Register | undefined;
  readonly by: readonly string[];
}

export function Controls({ view, change, store, registers, register, by }: Props) {
  const id = useId();
  const narrow = useNarrow();
  const zone = view.zone ?? store.timezone;
  const today = () => dateAt(Date.now(), zone);
  return (
    <details class="controls" open={!narrow}>
      <summary>What to look at</summary>
      <form class="controls-form" aria-label="What to look at" onSubmit={(event) => event.preventDefault()}>
        <div class="field">
          <label for={`${id}-register`}>Register</label>
          <select
            id={`${id}-register`}
            class="input"
            value={register?.id ?? ""}
            onChange={(event) => change({ register: Number(event.currentTarget.value), by: [], sort: "" })}
          >
            {!register && <option value="">Choose …</option>}
            {registers.map((one) => (
              <option key={one.id} value={one.id}>
                {one.name}
                {one.units ? ` (${one.units})` : ""}
              </option>
            ))}
          </select>
        </div>
        <Choice
          legend="Measure"
          name={`${id}-measure`}
          options={MEASURES}
          value={view.measure}
          onChange={(measure) => change({ measure })}
        />
        <RangeChoice view={view} change={change} start={() => ({ from: plusDays(today(), -29), to: today() })} />
        <div class="field">
          <label for={`${id}-period`}>By period</label>
          <select
            id={`${id}-period`}
            class="input"
            value={view.period}
            onChange={(event) => change({ period: event.currentTarget.value as Period })}
          >
            {Object.entries(PERIODS).map(([value, text]) => (
              <option key={value} value={value}>
                {text}
              </option>
            ))}
          </select>
        </div>
        {register && <Columns register={register} by={by} change={change} />}
        {by.length > 0 && (
          <div class="field">
            <label for={`${id}-top`}>Groups</label>
            <select
              id={`${id}-top`}
              class="input"
              value={view.top}
              onChange={(event) => change({ top: Number(event.currentTarget.value) })}
            >
              {TOPS.map((top) => (
                <option key={top} value={top}>
                  {top === 0 ? "All of them" : `${top} largest, then all others`}
                </option>
              ))}
            </select>
          </div>
        )}
        <Zones id={`${id}-zone`} view={view} change={change} store={store} />
      </form>
    </details>
  );
}

function Columns({ register, by, change }: Pick<Props, "by" | "change"> & { register: Register }) {
  const labels = labelsOf(register);
  if (labels.length === 0) return null;
  const toggle = (label: string, on: boolean) =>
    change({ by: on ? [...by, label] : by.filter((one) => one !== label), sort: "" });
  return (
    <fieldset class="columns">
      <legend>By column</legend>
      {labels.map((label) => (
        <label key={label} class="tick">
          <input
            type="checkbox"
            checked={by.includes(label)}
            onChange={(event) => toggle(label, event.currentTarget.checked)}
          />
          <span>{label}</span>
          {by.length > 1 && by.includes(label) && (
            <span class="place" aria-hidden="true">
              {by.indexOf(label) + 1}
            </span>
          )}
        </label>
      ))}
    </fieldset>
  );
}

function Zones({ id, view, change, store }: Pick<Props, "view" | "change" | "store"> & { id: string }) {
  const regions = useMemo(zonesByRegion, []);
  return (
    <div class="field">
      <label for={id}>Time zone</label>
      <select
        id={id}
        class="input"
        value={view.zone ?? store.timezone}
        onChange={(event) => {
          const chosen = event.currentTarget.value;
          change({ zone: chosen === store.timezone ? null : chosen });
        }}
      >
        <optgroup label="The store's own">
          <option value={store.timezone}>{store.timezone}</option>
        </optgroup>
        {store.timezone !== "UTC" && <option value="UTC">UTC</option>}
        {[...regions].map(([region, zones]) => (
          <optgroup key={region} label={region}>
            {zones
              .filter((zone) => zone !== store.timezone && zone !== "UTC")
              .map((zone) => (
                <option key={zone} value={zone}>
                  {zone.replaceAll("_", " ")}
                </option>
              ))}
          </optgroup>
        ))}
      </select>
    </div>
  );
}
