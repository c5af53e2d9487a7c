/**
 * Server-sent events over fetch: an EventSource cannot say who it is. A stream that ends before the
 * last event, or breaks, is taken up again where it was.
 */

import { type Api, ApiError, isAborted } from "./client.ts";
import type { Report } from "./reports.ts";

export type News = { readonly report: Report } | { readonly removed: true };

const RETRY_MILLISECONDS = 2_000;
const RETRY_MILLISECONDS_MAX = 15_000;
const LAST = new Set(["ready", "failed", "removed"]);

interface Event {
  readonly name: string;
  readonly id: string;
  readonly data: string;
  readonly retry: number | null;
}

/** Tell `hear` all that becomes of a report, until it has come to its end or `signal` says stop. */
export async function watch(
  api: Api,
  id: number,
  hear: (news: News) => void,
  signal: AbortSignal,
): Promise<void> {
  let seen = "";
  let retry = RETRY_MILLISECONDS;
  let failures = 0;
  while (!signal.aborted) {
    try {
      const headers: Record<string, string> = seen ? { "Last-Event-ID": seen } : {};
      const accept = "text/event-stream";
      const response = await api.call(`reports/${id}/events`, { accept, headers, signal });
      if (response.status === 204 || response.body === null) return;
      for await (const event of events(response.body)) {
        failures = 0;
        if (event.retry !== null) retry = event.retry;
        if (event.data === "") continue;
        seen = event.id;
        hear(event.name === "removed" ? { removed: true } : { report: JSON.parse(event.data) as Report });
        if (LAST.has(event.name)) return;
      }
    } catch (error) {
      if (isAborted(error) || signal.aborted) return;
      if (error instanceof ApiError && error.trouble === "missing") return hear({ removed: true });
      if (error instanceof ApiError && error.trouble === "signed-out") throw error;
      failures += 1;
    }
    await pause(Math.min(retry * 2 ** Math.min(failures, 4), RETRY_MILLISECONDS_MAX), signal);
  }
}

async function* events(body: ReadableStream<Uint8Array>): AsyncGenerator<Event> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      text += decoder.decode(value, { stream: true });
      const blocks = text.split("\n\n");
      text = blocks.pop() ?? "";
      for (const block of blocks) yield event(block);
    }
  } finally {
    void reader.cancel().catch(() => undefined);
  }
}

function event(block: string): Event {
  const fields = new Map<string, string>();
  for (const line of block.split("\n")) {
    const at = line.indexOf(":");
    const name = line.slice(0, at);
    const value = line.slice(at + 1).replace(/^ /, "");
    fields.set(name, name === "data" && fields.has(name) ? `${fields.get(name)}\n${value}` : value);
  }
  const retry = fields.get("retry");
  return {
    name: fields.get("event") ?? "message",
    id: fields.get("id") ?? "",
    data: fields.get("data") ?? "",
    retry: retry === undefined ? null : Number(retry),
  };
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
