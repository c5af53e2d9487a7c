/** Reports: asking, listing, watching, taking away. */

import type { Days } from "../time/ranges.ts";
import type { Api } from "./client.ts";

export const KINDS = {
  complete: ["Complete", "Transactions, lines, summaries and the forecast: nine tables in one zip."],
  customers: ["Customers", "A row a customer, with addresses, to be imported elsewhere."],
  customers_ltv: ["Customer value", "What each customer was worth, by currency."],
} as const;
export type Kind = keyof typeof KINDS;

export const FORMATS = { csv: "CSV", xlsx: "Excel", jsonl: "JSON Lines", parquet: "Parquet" } as const;
export type Format = keyof typeof FORMATS;

interface Link {
  readonly href: string;
}

export interface Report {
  readonly _links: {
    readonly self: Link;
    readonly "fx:download_url"?: Link;
  };
  readonly name: string;
  readonly format: string;
  readonly datetime_start: string;
  readonly datetime_end: string;
  readonly date_created: string;
  readonly date_modified: string;
  readonly status: "queued" | "ready" | "error";
  readonly attempts: number;
  readonly progress?: {
    readonly stage: string;
    readonly rows_written: number;
    readonly percent?: number | null;
    readonly queue_position?: number | null;
  };
  readonly failure?: { readonly code: string; readonly message: string };
  readonly files?: readonly { readonly rows: number }[];
  readonly download?: { readonly name: string; readonly bytes: number };
  readonly file_expired?: boolean;
}

export function idOf(report: Report): number {
  return Number(report._links.self.href.split("/").at(-1));
}

export interface Wish {
  readonly kind: Kind;
  readonly format: Format;
  readonly days: Days;
}

/** Ask for a report. `key` makes it one, however often this is sent. */
export function create(api: Api, wish: Wish, key: string): Promise<Report> {
  return api.json<Report>("reports", {
    method: "POST",
    headers: { "Idempotency-Key": key },
    body: {
      name: wish.kind,
      format: wish.format,
      datetime_start: `${wish.days.from} 00:00:00`,
      datetime_end: `${wish.days.to} 23:59:59`,
    },
  });
}

export interface Listed {
  readonly reports: readonly Report[];
  readonly total: number;
}

export async function list(api: Api, limit: number, signal?: AbortSignal): Promise<Listed> {
  const found = await api.json<{ _embedded: { "fx:reports": Report[] }; total_items: number }>(
    `reports?limit=${limit}&order=date_created%20desc`,
    { signal },
  );
  return { reports: found._embedded["fx:reports"], total: found.total_items };
}

export function find(api: Api, id: number): Promise<Report> {
  return api.json<Report>(`reports/${id}`);
}

/** Its file goes too; one that is being built is cancelled. */
export async function remove(api: Api, id: number): Promise<void> {
  await api.call(`reports/${id}`, { method: "DELETE" });
}

/** A key that nobody else has; also where the page is served without TLS. */
export function newKey(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((one) => one.toString(16).padStart(2, "0")).join("");
}
