/** How a measure's values are written in one answer: all with the same digits, none rounded away. */

import type { Measure, Numbers } from "../api/numbers.ts";
import { format, fractionDigits } from "../exact/decimal.ts";

/** An average is shown to this many digits more than money has; its exact value is at hand. */
const MORE_DIGITS = 2;

export interface Amounts {
  /** As it is shown. */
  readonly show: (value: string) => string;
  /** Whether what is shown is less than what is known. */
  readonly isRounded: (value: string) => boolean;
}

export function amountsOf(numbers: Numbers, measure: Measure, units: string): Amounts {
  const usual = currencyDigits(units);
  const known = [...numbers.rows.map((row) => row.value), numbers.total].map(fractionDigits);
  const most = known.reduce((left, right) => Math.max(left, right), 0);
  const digits =
    measure === "count"
      ? 0
      : measure === "average"
        ? Math.min(most, (usual ?? 2) + MORE_DIGITS)
        : Math.max(most, most > 0 || usual !== null ? (usual ?? 0) : 0);
  return {
    show: (value) => format(value, digits),
    isRounded: (value) => fractionDigits(value) > digits,
  };
}

/** The decimals of a currency; null for units that are none. */
function currencyDigits(units: string): number | null {
  if (!Intl.supportedValuesOf("currency").includes(units)) return null;
  return new Intl.NumberFormat("en", { style: "currency", currency: units }).resolvedOptions()
    .maximumFractionDigits ?? null;
}
