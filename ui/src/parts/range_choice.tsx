/** Which days: a preset, or two dates. */

import { useId } from "preact/hooks";

import type { Change, View } from "../state/view.ts";
import { type Days, PRESETS, type Preset } from "../time/ranges.ts";

interface Props {
  readonly view: View;
  readonly change: Change;
  /** What two dates begin with when they are first asked for. */
  readonly start: () => Days;
}

export function RangeChoice({ view, change, start }: Props) {
  const id = useId();
  const choose = (range: Preset) => {
    if (range === "free" && !(view.from && view.to)) change({ range, ...start() });
    else change({ range });
  };
  return (
    <>
      <div class="field">
        <label for={`${id}-range`}>Range</label>
        <select
          id={`${id}-range`}
          class="input"
          value={view.range}
          onChange={(event) => choose(event.currentTarget.value as Preset)}
        >
          {Object.entries(PRESETS).map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
      </div>
      {view.range === "free" && (
        <div class="field-pair">
          {(["from", "to"] as const).map((end) => (
            <div class="field" key={end}>
              <label for={`${id}-${end}`}>{end === "from" ? "From" : "To"}</label>
              <input
                id={`${id}-${end}`}
                class="input"
                type="date"
                required
                value={view[end]}
                onChange={(event) => event.currentTarget.value && change({ [end]: event.currentTarget.value })}
              />
            </div>
          ))}
        </div>
      )}
    </>
  );
}
