/** Who is there? A token, kept for as long as the tab lives. */

import { useEffect, useId, useRef, useState } from "preact/hooks";

import { Api, ApiError, type Session } from "./api/client.ts";
import { findStore } from "./api/store.ts";
import { ThemeChoice } from "./parts/frame.tsx";
import { Mark } from "./parts/mark.tsx";
import { useTitle } from "./parts/use_title.ts";

interface Props {
  /** The session before ended without the person's doing. */
  readonly over: boolean;
  readonly onEnter: (session: Session) => void;
}

export function SignIn({ over, onEnter }: Props) {
  const [problem, setProblem] = useState<string | null>(null);
  const [asksStore, setAsksStore] = useState(false);
  const [busy, setBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const id = useId();
  useTitle(over ? "Session ended" : "Sign in");
  // `autofocus` counts only for what the document began with.
  useEffect(() => form.current?.querySelector("input")?.focus(), []);

  const submit = async (event: Event) => {
    event.preventDefault();
    const told = new FormData(form.current ?? undefined);
    const token = String(told.get("token") ?? "").trim();
    const store = String(told.get("store") ?? "").trim();
    if (token === "") return setProblem("Enter a token.");
    if (!/^[!-~]+$/.test(token)) return setProblem("That is not a token: it has letters and digits only.");
    const session: Session = store ? { token, store } : { token };
    setBusy(true);
    try {
      await findStore(new Api(session));
      onEnter(session);
    } catch (error) {
      setBusy(false);
      const trouble = error instanceof ApiError ? error.trouble : "broken";
      // A service token acts for any store, and has to say for which.
      if (trouble === "refused") setAsksStore(true);
      setProblem(trouble === "signed-out" ? WRONG : trouble === "refused" ? WHICH : (error as Error).message);
    }
  };

  return (
    <div class="sign-in">
      <header class="masthead masthead-bare">
        <Mark />
        <div class="masthead-end">
          <ThemeChoice />
        </div>
      </header>
      <main class="sign-in-main">
        <h1>{over ? "Your session has ended" : "Sign in"}</h1>
        <p class="lead">
          {over
            ? "The token has expired or was revoked. Sign in with another one: what you were looking at is still in the address."
            : "With a token of your store. It stays in this tab, and is gone when you close it."}
        </p>
        <form ref={form} onSubmit={submit} noValidate>
          <label for={`${id}-token`}>Token</label>
          <input
            id={`${id}-token`}
            class="input"
            name="token"
            type="password"
            autocomplete="off"
            spellcheck={false}
            placeholder="tp_…"
            aria-invalid={problem ? true : undefined}
            aria-describedby={problem ? `${id}-problem` : undefined}
          />
          {asksStore && (
            <>
              <label for={`${id}-store`}>Store number</label>
              <input id={`${id}-store`} class="input" name="store" inputMode="numeric" autocomplete="off" />
            </>
          )}
          {problem && (
            <p id={`${id}-problem`} class="problem" role="alert">
              {problem}
            </p>
          )}
          <button type="submit" class="button button-main" disabled={busy}>
            {busy ? "Signing in …" : "Sign in"}
          </button>
        </form>
        <p class="quiet">
          <code>make demo</code> prints one at its end. Otherwise: <code>tallyport token create</code>
        </p>
      </main>
    </div>
  );
}

const WRONG = "This token lets nobody in: it is mistyped, has expired, or was revoked.";
const WHICH = "This is a service token. Which store is it to act for?";
