/** The chart with its legend. The table has the same numbers for whoever cannot see it. */

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

import { useDark } from "../state/theme.ts";
import { type Chart, CHARTS } from "../state/view.ts";
import type { Drawn, DrawnCanvas } from "./canvas.ts";
import type { Drawing } from "./series.ts";

// On its way while the person still signs in, and while the numbers are asked for.
const canvasModule = import("./canvas.ts");

interface Props {
  readonly title: string;
  readonly drawing: Drawing;
  readonly chart: Chart;
  readonly show: (value: string) => string;
}

export function ChartFigure({ title, drawing, chart, show }: Props) {
  const canvas = useRef<DrawnCanvas>(null);
  const drawn = useRef<Drawn | null>(null);
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const [place, setPlace] = useState<number | null>(null);
  const dark = useDark();
  // With the numbers, not a frame later: the chart of another question never stands beside them.
  useLayoutEffect(() => {
    let left = false;
    void canvasModule.then(({ draw }) => {
      if (left || canvas.current === null) return;
      drawn.current = draw(canvas.current, drawing, chart, show);
      drawing.series.forEach((series, index) => {
        if (hidden.has(series.name)) drawn.current?.hide(index, true);
      });
    });
    return () => {
      left = true;
      drawn.current?.destroy();
      drawn.current = null;
    };
  }, [drawing, chart, show, dark]);

  useEffect(() => setPlace(null), [drawing]);
  const point = (wanted: number | null) => {
    setPlace(wanted);
    drawn.current?.point(wanted);
  };
  const press = (event: KeyboardEvent) => {
    const last = drawing.labels.length - 1;
    const places: Record<string, number | null> = {
      ArrowRight: place === null ? 0 : Math.min(place + 1, last),
      ArrowLeft: place === null ? last : Math.max(place - 1, 0),
      Home: 0,
      End: last,
      Escape: null,
    };
    const wanted = places[event.key];
    if (wanted === undefined) return;
    event.preventDefault();
    point(wanted);
  };
  const toggle = (name: string, index: number) => {
    const now = new Set(hidden);
    if (!now.delete(name)) now.add(name);
    setHidden(now);
    drawn.current?.hide(index, now.has(name));
  };
  return (
    <figure class="chart" aria-label={`Chart: ${title}`}>
      <div class="chart-canvas">
        <canvas
          ref={canvas}
          role="img"
          aria-label={told(title, drawing, chart)}
          tabIndex={0}
          onKeyDown={press}
          onBlur={() => point(null)}
        />
        <p class="visually-hidden" role="status">
          {place === null ? "" : toldAt(drawing, place, hidden, show)}
        </p>
      </div>
      {drawing.series.length > 1 && (
        <ul class="legend" aria-label="What is drawn">
          {drawing.series.map((series, index) => (
            <li key={series.name}>
              <button
                type="button"
                aria-pressed={!hidden.has(series.name)}
                onClick={() => toggle(series.name, index)}
              >
                <span class={`swatch swatch-${series.isOther ? "other" : index + 1}`} aria-hidden="true" />
                {series.name}
              </button>
            </li>
          ))}
        </ul>
      )}
      {drawing.left > 0 && (
        <figcaption class="quiet">
          The chart shows the {drawing.series.length > 1 ? drawing.series.length : drawing.labels.length}{" "}
          largest groups; the table has the other {drawing.left} too.
        </figcaption>
      )}
    </figure>
  );
}

function told(title: string, { labels, series }: Drawing, chart: Chart): string {
  const [first, last] = [labels[0] ?? "", labels.at(-1) ?? ""];
  const groups = series.length > 1 ? `, ${series.length} groups` : "";
  return (
    `${CHARTS[chart]}: ${title}, ${labels.length} values from ${first} to ${last}${groups}. ` +
    "Left and right go through them; the table below has the same numbers."
  );
}

function toldAt(
  { labels, series }: Drawing,
  place: number,
  hidden: ReadonlySet<string>,
  show: (value: string) => string,
): string {
  const values = series
    .filter((one) => !hidden.has(one.name))
    .map((one) => `${series.length > 1 ? `${one.name} ` : ""}${show(one.exact[place] ?? "0")}`);
  return `${labels[place] ?? ""}: ${values.join(", ")}`;
}
