/**
 * Decimals as they came: text in, text out, never a binary float. Amounts have up to 38 digits, and a
 * sum must not lose a cent between the answer and the table.
 */

interface Parts {
  readonly negative: boolean;
  readonly whole: string;
  readonly fraction: string;
}

const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

/** The digits of a JSON number, its exponent resolved. Throws for what is none. */
function parts(text: string): Parts {
  const match = NUMBER.exec(text);
  if (match === null) throw new Error(`not a number: ${text}`);
  const [, sign = "", whole = "", fraction = "", exponent = "0"] = match;
  const digits = whole + fraction;
  const point = whole.length + Number(exponent);
  const padded = point < 1 ? "0".repeat(1 - point) + digits : digits.padEnd(point, "0");
  const at = Math.max(point, 1);
  return {
    negative: sign === "-",
    whole: padded.slice(0, at).replace(/^0+(?=\d)/, ""),
    fraction: padded.slice(at),
  };
}

function scaled({ negative, whole, fraction }: Parts, digits: number): bigint {
  const value = BigInt(whole + fraction.padEnd(digits, "0"));
  return negative ? -value : value;
}

/** Below zero, zero or above, as a sort wants it. */
export function compare(a: string, b: string): number {
  const [left, right] = [parts(a), parts(b)];
  const digits = Math.max(left.fraction.length, right.fraction.length);
  const [x, y] = [scaled(left, digits), scaled(right, digits)];
  return x < y ? -1 : x > y ? 1 : 0;
}

/** How many digits stand behind the point, zeros at the end left out. */
export function fractionDigits(text: string): number {
  return parts(text).fraction.replace(/0+$/, "").length;
}

/**
 * With commas between thousands and exactly `digits` behind the point. It rounds, half away from
 * zero, where there are more: ask `fractionDigits` first where nothing may be rounded.
 */
export function format(text: string, digits: number): string {
  const { negative, whole, fraction } = rounded(parts(text), digits);
  const grouped = whole.replace(/\B(?=(?:\d{3})+$)/g, ",");
  const zero = !/[1-9]/.test(whole + fraction);
  // A true minus: as wide as the plus and the digits, so that columns stay columns.
  return (negative && !zero ? "\u2212" : "") + grouped + (digits ? `.${fraction}` : "");
}

function rounded(number: Parts, digits: number): Parts {
  const { negative, whole, fraction } = number;
  if (fraction.length <= digits) return { ...number, fraction: fraction.padEnd(digits, "0") };
  const up = (fraction[digits] ?? "0") >= "5" ? 1n : 0n;
  const all = (BigInt(whole + fraction.slice(0, digits)) + up).toString().padStart(digits + 1, "0");
  const point = all.length - digits;
  return { negative, whole: all.slice(0, point), fraction: all.slice(point) };
}
