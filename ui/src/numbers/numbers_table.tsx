/** The same numbers as a table: exact, to be sorted, a piece at a time. */

import { useMemo, useState } from "preact/hooks";

import { MEASURES, type Numbers, type Question, type Row } from "../api/numbers.ts";
import type { Amounts } from "./amounts.ts";
import { nextSort, readSort, sorted } from "./order.ts";

const PIECE_ROWS = 100;

interface Props {
  readonly numbers: Numbers;
  readonly question: Question;
  readonly amounts: Amounts;
  readonly units: string;
  readonly sort: string;
  readonly onSort: (sort: string) => void;
}

export function NumbersTable({ numbers, question, amounts, units, sort, onSort }: Props) {
  const [limit, setLimit] = useState(PIECE_ROWS);
  const rows = useMemo(() => sorted(numbers.rows, sort), [numbers, sort]);
  const hasPeriods = question.period !== "all";
  const columns = question.by.length;
  const measure = `${MEASURES[question.measure]}${question.measure === "count" || !units ? "" : ` (${units})`}`;
  const heads: [string, string][] = [
    ...(hasPeriods ? ([["period", "Period"]] as [string, string][]) : []),
    ...question.by.map((label, place): [string, string] => [String(place), label]),
    ["value", measure],
  ];
  const left = rows.length - limit;
  return (
    <section class="table" aria-label="The numbers as a table">
      <div class="table-scroll" tabIndex={0} role="region" aria-label="Table, can be scrolled">
        <table>
          <caption class="visually-hidden">
            {numbers.title}, {rows.length} rows
          </caption>
          <thead>
            <tr>
              {heads.map(([column, text]) => (
                <Head key={column} column={column} text={text} sort={sort} onSort={onSort} />
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.slice(0, limit).map((row) => (
              <tr key={`${row.period}\n${row.isOther}\n${row.group.join("\n")}`} class={row.isOther ? "other" : ""}>
                {hasPeriods && <td class="period">{row.period}</td>}
                {question.by.map((label, place) => (
                  <td key={label}>{groupCell(row, place)}</td>
                ))}
                <td
                  class="number"
                  data-exact={row.value}
                  title={amounts.isRounded(row.value) ? row.value : undefined}
                >
                  {amounts.show(row.value)}
                </td>
              </tr>
            ))}
          </tbody>
          {rows.length > 1 && (
            <tfoot>
              <tr>
                {hasPeriods || columns > 0 ? (
                  <th scope="row" colSpan={heads.length - 1}>
                    {question.measure === "average" ? "Average of all" : "All"}
                  </th>
                ) : null}
                <td class="number" data-exact={numbers.total}>
                  {amounts.show(numbers.total)}
                </td>
              </tr>
            </tfoot>
          )}
        </table>
      </div>
      {left > 0 && (
        <button type="button" class="button" onClick={() => setLimit(limit + 10 * PIECE_ROWS)}>
          Show {Math.min(left, 10 * PIECE_ROWS).toLocaleString("en")} more of {left.toLocaleString("en")}
        </button>
      )}
    </section>
  );
}

function groupCell(row: Row, place: number) {
  if (row.isOther) return place === 0 ? "All others" : "";
  return row.group[place] || <span class="quiet">(none)</span>;
}

interface HeadProps {
  readonly column: string;
  readonly text: string;
  readonly sort: string;
  readonly onSort: (sort: string) => void;
}

function Head({ column, text, sort, onSort }: HeadProps) {
  const now = readSort(sort);
  const isBy = now.column === column;
  const direction = isBy ? (now.falling ? "descending" : "ascending") : "none";
  return (
    <th scope="col" class={column === "value" ? "number" : undefined} aria-sort={direction}>
      <button type="button" onClick={() => onSort(nextSort(sort, column))}>
        {text}
        <span class="arrow" aria-hidden="true">
          {isBy ? (now.falling ? "↓" : "↑") : ""}
        </span>
      </button>
    </th>
  );
}
