/** The token, for as long as the tab lives. It is never part of an address. */

import type { Session } from "../api/client.ts";

const KEY = "tallyport.session";

export function load(): Session | null {
  try {
    const found = JSON.parse(sessionStorage.getItem(KEY) ?? "null") as Session | null;
    return typeof found?.token === "string" ? found : null;
  } catch {
    return null;
  }
}

export function save(session: Session): void {
  sessionStorage.setItem(KEY, JSON.stringify(session));
}

export function forget(): void {
  sessionStorage.removeItem(KEY);
}
