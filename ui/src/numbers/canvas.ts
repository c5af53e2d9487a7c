/** The chart on its canvas, by Chart.js: only the parts of it that are used. */

import {
  BarController,
  BarElement,
  CategoryScale,
  Chart,
  type ChartConfiguration,
  LinearScale,
  LineController,
  LineElement,
  PointElement,
  Tooltip,
} from "chart.js";

import type { Chart as Kind } from "../state/view.ts";
import type { Drawing } from "./series.ts";

Chart.register(
  BarController,
  BarElement,
  LineController,
  LineElement,
  PointElement,
  CategoryScale,
  LinearScale,
  Tooltip,
);

/** A canvas on which something is drawn tells what: for a console, and for the tests. */
export type DrawnCanvas = HTMLCanvasElement & { chart?: Chart };

const POINTS_SHOWN_MAX = 40;
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export interface Drawn {
  readonly hide: (index: number, hidden: boolean) => void;
  /** Point at a place along the bottom, as a mouse would; null: at none. */
  readonly point: (place: number | null) => void;
  readonly destroy: () => void;
}

export function draw(
  canvas: DrawnCanvas,
  drawing: Drawing,
  kind: Kind,
  show: (value: string) => string,
): Drawn {
  const chart = new Chart(canvas, configuration(drawing, kind, show));
  canvas.chart = chart;
  return {
    hide: (index, hidden) => chart.setDatasetVisibility(index, !hidden) ?? chart.update(),
    point: (place) => {
      const visible = drawing.series.map((_, datasetIndex) => datasetIndex).filter((one) => chart.isDatasetVisible(one));
      const elements = place === null ? [] : visible.map((datasetIndex) => ({ datasetIndex, index: place }));
      chart.setActiveElements(elements);
      chart.tooltip?.setActiveElements(elements, { x: 0, y: 0 });
      chart.update("none");
    },
    destroy: () => {
      chart.destroy();
      delete canvas.chart;
    },
  };
}

function configuration(
  drawing: Drawing,
  kind: Kind,
  show: (value: string) => string,
): ChartConfiguration<"bar" | "line", number[], string> {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(`--${name}`).trim();
  const font = { family: style.getPropertyValue("--font"), size: 12 };
  const stacked = kind === "stacked";
  const ticks = { color: colour("ink-quiet"), font, padding: 8 };
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  return {
    type: kind === "lines" ? "line" : "bar",
    data: {
      labels: [...drawing.labels],
      datasets: drawing.series.map((series, index) => {
        const ink = colour(series.isOther ? "series-other" : `series-${index + 1}`);
        return {
          label: series.name,
          data: [...series.values],
          backgroundColor: series.values.map((_, place) =>
            place === series.otherPlace ? colour("series-other") : ink,
          ),
          borderColor: ink,
          ...(kind === "lines"
            ? {
                borderWidth: 2,
                borderJoinStyle: "round" as const,
                pointRadius: series.values.length > POINTS_SHOWN_MAX ? 0 : 2.5,
                pointHoverRadius: 5,
                tension: 0,
              }
            : { borderRadius: stacked ? 0 : 2, maxBarThickness: 56, categoryPercentage: 0.78, barPercentage: 0.92 }),
        };
      }),
    },
    options: {
      responsive: true,
      maintainAspectRatio: false,
      animation: still ? false : { duration: 220 },
      interaction: { mode: "index", intersect: false },
      layout: { padding: { top: 8 } },
      scales: {
        x: {
          stacked,
          grid: { display: false },
          border: { display: false },
          ticks: { ...ticks, autoSkipPadding: 16, maxRotation: 0 },
        },
        y: {
          stacked,
          beginAtZero: true,
          grid: { color: ({ tick }) => colour(tick.value === 0 ? "line-strong" : "line") },
          border: { display: false },
          ticks: { ...ticks, maxTicksLimit: 8, callback: (value) => compact.format(Number(value)) },
        },
      },
      plugins: {
        tooltip: {
          backgroundColor: colour("tip"),
          titleColor: colour("tip-ink"),
          bodyColor: colour("tip-ink"),
          titleFont: { ...font, weight: 600 },
          bodyFont: font,
          padding: 12,
          cornerRadius: 6,
          boxPadding: 6,
          usePointStyle: true,
          itemSort: (a, b) => a.datasetIndex - b.datasetIndex,
          callbacks: {
            label: ({ dataset, datasetIndex, dataIndex }) => {
              const value = show(drawing.series[datasetIndex]?.exact[dataIndex] ?? "0");
              return drawing.series.length > 1 ? `${dataset.label ?? ""}  ${value}` : value;
            },
          },
        },
      },
    },
  };
}
