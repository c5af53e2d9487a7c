/** Whose numbers these are. */

import type { Api } from "./client.ts";

export interface Store {
  readonly id: number;
  readonly name: string;
  readonly timezone: string;
  readonly currency: string;
  readonly currency_digits: number;
  readonly scopes: readonly string[];
}

export interface Register {
  readonly id: number;
  readonly name: string;
  readonly units: string;
  readonly is_sales: boolean;
  readonly meta: Readonly<Record<string, string>>;
}

const PAGE = 300;
const PAGES_MAX = 20;

export function findStore(api: Api): Promise<Store> {
  return api.json<Store>("store");
}

/** All registers, the sales register first, then by name. */
export async function listRegisters(api: Api): Promise<Register[]> {
  const found: Register[] = [];
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const { registers } = await api.json<{ registers: Register[] }>(
      `registers?limit=${PAGE}&offset=${page * PAGE}`,
    );
    found.push(...registers);
    if (registers.length < PAGE) break;
  }
  return found.sort(
    (a, b) => Number(b.is_sales) - Number(a.is_sales) || a.name.localeCompare(b.name) || a.id - b.id,
  );
}

/** Labels in the order of their columns. */
export function labelsOf(register: Register): string[] {
  return Object.keys(register.meta)
    .sort()
    .map((column) => register.meta[column] ?? "");
}
