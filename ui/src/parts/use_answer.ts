/** A question and its answer over time: the last answer stays to be looked at while a new one comes. */

import { useCallback, useEffect, useState } from "preact/hooks";

import { isAborted } from "../api/client.ts";

interface Settled<T> {
  readonly answer: T | null;
  readonly error: Error | null;
  /** The question and the round that this is the answer to; null before anything came. */
  readonly asked: Ask<T> | null;
  readonly round: number;
}

type Ask<T> = (signal: AbortSignal) => Promise<T>;

export interface Answered<T> extends Pick<Settled<T>, "answer" | "error"> {
  /** What is shown is not yet the answer to what is asked. */
  readonly busy: boolean;
  /** Ask once more. */
  readonly again: () => void;
}

/** Ask whenever `ask` is another function; a question that is not waited for any more is given up. */
export function useAnswer<T>(ask: Ask<T>, onError: (error: unknown) => void): Answered<T> {
  const [settled, setSettled] = useState<Settled<T>>({ answer: null, error: null, asked: null, round: 0 });
  const [round, setRound] = useState(0);
  const again = useCallback(() => setRound((before) => before + 1), []);
  useEffect(() => {
    const controller = new AbortController();
    const settle = (answer: T | null, error: Error | null) =>
      setSettled({ answer, error, asked: ask, round });
    ask(controller.signal).then(
      (answer) => {
        if (!controller.signal.aborted) settle(answer, null);
      },
      (error: unknown) => {
        if (controller.signal.aborted || isAborted(error)) return;
        onError(error);
        settle(null, error as Error);
      },
    );
    return () => controller.abort();
  }, [ask, round, onError]);
  const { answer, error } = settled;
  // Derived, not set by the effect: an old answer is never shown as the new question's, not for a frame.
  const busy = settled.asked !== ask || settled.round !== round;
  return { answer, error, busy, again };
}
