/** Around everything: where one is, whose store it is, light or dark, and the way out. */

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";

import type { Store } from "../api/store.ts";
import { apply, load, THEMES, type Theme } from "../state/theme.ts";
import { type View, write } from "../state/view.ts";
import { Mark } from "./mark.tsx";

interface Props {
  readonly store: Store | null;
  readonly view: View;
  readonly onLeave: () => void;
  readonly children: ComponentChildren;
}

export function Frame({ store, view, onLeave, children }: Props) {
  return (
    <div class="frame">
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          document.getElementById("main")?.focus();
        }}
      >
        Skip to the content
      </a>
      <header class="masthead">
        <Mark />
        <nav aria-label="Sides of the page">
          {(["numbers", "reports"] as const).map((page) => (
            <a
              key={page}
              href={write({ ...view, page })}
              aria-current={view.page === page ? "page" : undefined}
            >
              {page === "numbers" ? "Numbers" : "Reports"}
            </a>
          ))}
        </nav>
        <div class="masthead-end">
          {store && (
            <span class="store" title={`Store ${store.id}, ${store.timezone}`}>
              {store.name}
            </span>
          )}
          <ThemeChoice />
          <button type="button" class="button button-quiet" onClick={onLeave}>
            Sign out
          </button>
        </div>
      </header>
      <main id="main" tabIndex={-1}>
        {children}
      </main>
    </div>
  );
}

export function ThemeChoice() {
  const [theme, setTheme] = useState(load);
  return (
    <label class="theme">
      <span class="visually-hidden">Light or dark</span>
      <select
        value={theme}
        onChange={(event) => {
          const chosen = event.currentTarget.value as Theme;
          apply(chosen);
          setTheme(chosen);
        }}
      >
        {Object.entries(THEMES).map(([value, name]) => (
          <option key={value} value={value}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}
