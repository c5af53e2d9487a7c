/** What stands there when there is nothing to show: not yet, nothing at all, or not to be had. */

import type { ComponentChildren } from "preact";

import { ApiError, type Trouble } from "../api/client.ts";

const HEADINGS: Record<Trouble, string> = {
  "signed-out": "You are signed out",
  forbidden: "This token may not do that",
  refused: "That cannot be asked so",
  missing: "It is not there",
  busy: "No answer just now",
  unreachable: "No connection",
  broken: "Something broke on our side",
};
const HINTS: Partial<Record<Trouble, string>> = {
  busy: "Nothing is lost. Try again in a moment.",
  broken: "It is in the log. Trying again may help; if not, tell whoever runs Tallyport.",
  forbidden: "Ask for a token with more scopes.",
};

export function Loading({ what }: { what: string }) {
  return (
    <div class="loading" role="status">
      <span class="visually-hidden">Loading {what} …</span>
      <span class="bone bone-title" />
      <span class="bone bone-figure" />
      <span class="bone bone-block" />
    </div>
  );
}

/** 1 where a state is all that there is, 2 below a heading. */
type Level = 1 | 2;

interface FailureProps {
  readonly error: Error;
  readonly level?: Level;
  readonly onAgain: () => void;
}

export function Failure({ error, level = 1, onAgain }: FailureProps) {
  const trouble = error instanceof ApiError ? error.trouble : "broken";
  const hint = HINTS[trouble];
  return (
    <div class="state state-failure" role="alert">
      <Title level={level}>{HEADINGS[trouble]}</Title>
      <p>{error.message}</p>
      {hint && <p class="quiet">{hint}</p>}
      <button type="button" class="button" onClick={onAgain}>
        Try again
      </button>
    </div>
  );
}

interface EmptyProps {
  readonly title: string;
  readonly level?: Level;
  readonly children: ComponentChildren;
}

export function Empty({ title, level = 1, children }: EmptyProps) {
  return (
    <div class="state" role="status">
      <Title level={level}>{title}</Title>
      {children}
    </div>
  );
}

function Title({ level, children }: { level: Level; children: ComponentChildren }) {
  return level === 1 ? <h1>{children}</h1> : <h2>{children}</h2>;
}
