/** What stands there when there is nothing to show: not yet, nothing at all, or not to be had. */

import type { ComponentChildren } from "preact";

import { ApiError, type Trouble } from "../api/client.ts";

const HEADINGS: Record<Trouble, string> = {
  "signed-out": "You are signed out",
  forbidden: "This token may not do that",
  refused: "That cannot be asked so",
  missing: "It is not there",
  busy: "Too much to do just now",
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

export function Failure({ error, onAgain }: { error: Error; onAgain: () => void }) {
  const trouble = error instanceof ApiError ? error.trouble : "broken";
  const hint = HINTS[trouble];
  return (
    <div class="state state-failure" role="alert">
      <h2>{HEADINGS[trouble]}</h2>
      <p>{error.message}</p>
      {hint && <p class="quiet">{hint}</p>}
      <button type="button" class="button" onClick={onAgain}>
        Try again
      </button>
    </div>
  );
}

export function Empty({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <div class="state" role="status">
      <h2>{title}</h2>
      {children}
    </div>
  );
}
