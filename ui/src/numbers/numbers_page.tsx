/** Numbers: the question at the side, the answer as a figure, a chart and a table. */

import { useCallback, useMemo } from "preact/hooks";

import type { Api } from "../api/client.ts";
import { ask, extent, type Numbers, type Question } from "../api/numbers.ts";
import { labelsOf, type Register, type Store } from "../api/store.ts";
import { Empty, Failure, Loading } from "../parts/states.tsx";
import { useAnswer } from "../parts/use_answer.ts";
import type { Change, View } from "../state/view.ts";
import { type Days, daysOf } from "../time/ranges.ts";
import { Answer } from "./answer.tsx";
import { Controls } from "./controls.tsx";

interface Props {
  readonly api: Api;
  readonly view: View;
  readonly change: Change;
  readonly onError: (error: unknown) => void;
  readonly store: Store;
  readonly registers: readonly Register[];
}

/** `numbers`: null where there was nothing to ask for. */
export interface Shown {
  readonly question: Question | null;
  readonly numbers: Numbers | null;
}

export function NumbersPage({ api, view, change, onError, store, registers }: Props) {
  const register = useMemo(
    () => registers.find((one) => one.id === view.register) ?? (view.register === null ? registers[0] : undefined),
    [registers, view.register],
  );
  const zone = view.zone ?? store.timezone;
  const by = useMemo(
    () => (register ? view.by.filter((label) => labelsOf(register).includes(label)) : []),
    [register, view.by.join("\n")],
  );
  const { range, from, to, period, measure, top } = view;
  const load = useCallback(
    async (signal: AbortSignal): Promise<Shown> => {
      if (!register) return { question: null, numbers: null };
      const days = await find(api, register, { range, from, to }, zone, signal);
      if (days === null) return { question: null, numbers: null };
      const question = { register: register.id, days, zone, period, by, measure, top };
      return { question, numbers: await ask(api, question, signal) };
    },
    [api, register, zone, range, from, to, period, measure, top, by],
  );
  const { answer, error, busy, again } = useAnswer(load, onError);

  if (registers.length === 0) {
    return (
      <Empty title="There is nothing here yet">
        <p>
          {store.name} has no register. One is made with the first transaction that is recorded, or by{" "}
          <code>tallyport register create</code>.
        </p>
      </Empty>
    );
  }
  return (
    <div class="sides">
      <Controls view={view} change={change} store={store} registers={registers} register={register} by={by} />
      <section class="answer" aria-label="The answer" aria-busy={busy}>
        {!register ? (
          <Empty title="There is no such register">
            <p>Register {view.register} is not there, or is another store's. Choose one of yours.</p>
          </Empty>
        ) : error ? (
          <Failure error={error} onAgain={again} />
        ) : answer === null ? (
          <Loading what="the numbers" />
        ) : answer.question === null || answer.numbers === null ? (
          <Empty title="This register is empty">
            <p>
              Nothing has been recorded in {register.name} yet. What is recorded is here at once: come back,
              or ask again.
            </p>
            <button type="button" class="button" onClick={again}>
              Ask again
            </button>
          </Empty>
        ) : (
          <Answer
            api={api}
            register={register}
            question={answer.question}
            numbers={answer.numbers}
            view={view}
            change={change}
            onAgain={again}
            onError={onError}
          />
        )}
      </section>
    </div>
  );
}

/** The days that are asked about; null when all data is wanted and there is none. */
async function find(
  api: Api,
  register: Register,
  { range, from, to }: Pick<View, "range" | "from" | "to">,
  zone: string,
  signal: AbortSignal,
): Promise<Days | null> {
  const known = daysOf(range, Date.now(), zone);
  if (known !== null) return known;
  if (range === "free" && from && to) return from <= to ? { from, to } : { from: to, to: from };
  return extent(api, register.id, zone, signal);
}
