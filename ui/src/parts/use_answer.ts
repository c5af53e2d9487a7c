/** A question and its answer over time: the last answer stays to be looked at while a new one comes. */

import { useCallback, useEffect, useState } from "preact/hooks";

import { isAborted } from "../api/client.ts";

interface State<T> {
  readonly answer: T | null;
  readonly error: Error | null;
  readonly busy: boolean;
}

export interface Answered<T> extends State<T> {
  /** Ask once more. */
  readonly again: () => void;
}

/** Ask whenever `ask` is another function; a question that is not waited for any more is given up. */
export function useAnswer<T>(
  ask: (signal: AbortSignal) => Promise<T>,
  onError: (error: unknown) => void,
): Answered<T> {
  const [state, setState] = useState<State<T>>({ answer: null, error: null, busy: true });
  const [round, setRound] = useState(0);
  const again = useCallback(() => setRound((before) => before + 1), []);
  useEffect(() => {
    const controller = new AbortController();
    setState((before) => ({ ...before, busy: true }));
    ask(controller.signal).then(
      (answer) => {
        if (!controller.signal.aborted) setState({ answer, error: null, busy: false });
      },
      (error: unknown) => {
        if (controller.signal.aborted || isAborted(error)) return;
        onError(error);
        setState({ answer: null, error: error as Error, busy: false });
      },
    );
    return () => controller.abort();
  }, [ask, round, onError]);
  return { ...state, again };
}
