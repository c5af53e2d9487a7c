/** The answer: one figure for all of it, the chart, the table. */

import { useMemo, useState } from "preact/hooks";

import type { Api } from "../api/client.ts";
import { askCsv, type Numbers, type Question } from "../api/numbers.ts";
import type { Register } from "../api/store.ts";
import { format } from "../exact/decimal.ts";
import { Choice } from "../parts/choice.tsx";
import { saveAs } from "../parts/save.ts";
import { Empty } from "../parts/states.tsx";
import { useTitle } from "../parts/use_title.ts";
import { type Change, CHARTS, type View } from "../state/view.ts";
import { shownDays } from "../time/ranges.ts";
import { type Amounts, amountsOf } from "./amounts.ts";
import { ChartFigure } from "./chart_figure.tsx";
import { NumbersTable } from "./numbers_table.tsx";
import { drawingOf } from "./series.ts";

interface Props {
  readonly api: Api;
  readonly register: Register;
  readonly question: Question;
  readonly numbers: Numbers;
  readonly view: View;
  readonly change: Change;
  readonly onAgain: () => void;
  readonly onError: (error: unknown) => void;
}

export function Answer(props: Props) {
  const { register, question, numbers, view, change } = props;
  useTitle(`${numbers.title}, ${register.name}`);
  const amounts = useMemo(
    () => amountsOf(numbers, question.measure, register.units),
    [numbers, question, register],
  );
  const drawing = useMemo(() => drawingOf(numbers, question.period !== "all"), [numbers, question]);
  const isNothing = numbers.items === "0";
  // Averages on top of one another mean nothing.
  const unfit = question.measure === "average" || drawing.series.length < 2 ? (["stacked"] as const) : [];
  const chart = (unfit as readonly string[]).includes(view.chart) ? "bars" : view.chart;
  return (
    <>
      <Heading {...props} amounts={amounts} />
      {isNothing ? (
        <Empty title="Nothing in this range" level={2}>
          <p>
            Nothing was recorded in {register.name} for {shownDays(question.days)}.
          </p>
          {view.range !== "all" && (
            <button type="button" class="button" onClick={() => change({ range: "all" })}>
              Look at all data
            </button>
          )}
        </Empty>
      ) : (
        <>
          {(drawing.labels.length > 1 || drawing.series.length > 1) && (
            <div class="drawn">
              <Choice
                legend="Chart"
                name="chart"
                options={CHARTS}
                value={chart}
                disabled={unfit}
                onChange={(chosen) => change({ chart: chosen })}
              />
              <ChartFigure
                title={numbers.title}
                drawing={drawing}
                chart={chart}
                show={amounts.show}
              />
            </div>
          )}
          <NumbersTable
            numbers={numbers}
            question={question}
            amounts={amounts}
            units={register.units}
            sort={view.sort}
            onSort={(sort) => change({ sort })}
          />
        </>
      )}
    </>
  );
}

function Heading({ api, register, question, numbers, onAgain, onError, amounts }: Props & { amounts: Amounts }) {
  const [problem, setProblem] = useState<string | null>(null);
  const download = async () => {
    setProblem(null);
    try {
      const { from, to } = question.days;
      saveAs(await askCsv(api, question), `${register.name} ${numbers.title} ${from} ${to}.csv`);
    } catch (error) {
      onError(error);
      setProblem((error as Error).message);
    }
  };
  return (
    <header class="answer-head">
      <div>
        <h1>{numbers.title}</h1>
        <p class="quiet">
          {register.name}, {shownDays(question.days)}, {question.zone.replaceAll("_", " ")}
        </p>
      </div>
      <div class="actions">
        <button type="button" class="button" onClick={onAgain}>
          Refresh
        </button>
        <button type="button" class="button" onClick={download}>
          Download CSV
        </button>
      </div>
      <p class="total" role="status">
        <span class="total-value" data-exact={numbers.total}>
          {amounts.show(numbers.total)}
        </span>{" "}
        <span class="total-units">
          {question.measure === "count"
            ? "items"
            : `${register.units} ${TOTALS[question.measure]} ${format(numbers.items, 0)} items`}
        </span>
      </p>
      {problem && (
        <p class="problem" role="alert">
          The file could not be had: {problem}
        </p>
      )}
    </header>
  );
}

const TOTALS = { sum: "in", average: "on average of" } as const;
