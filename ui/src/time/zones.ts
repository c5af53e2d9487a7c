/** Days of a zone as instants. Dates are `YYYY-MM-DD`, instants milliseconds since 1970. */

const DAY = 86_400_000;
/** No zone was ever further from Greenwich than this, the old local times included. */
const FURTHEST = 16 * 3_600_000;

const formats = new Map<string, Intl.DateTimeFormat>();

function dayFormat(zone: string): Intl.DateTimeFormat {
  let format = formats.get(zone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat("en-US", {
      timeZone: zone,
      calendar: "gregory",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
    });
    formats.set(zone, format);
  }
  return format;
}

/** The date that the zone's calendar shows at this instant. */
export function dateAt(instant: number, zone: string): string {
  const shown = new Map(dayFormat(zone).formatToParts(instant).map((part) => [part.type, part.value]));
  return `${(shown.get("year") ?? "").padStart(4, "0")}-${shown.get("month")}-${shown.get("day")}`;
}

/** The first instant of a date: its midnight, or, where the clocks skip that, what comes after. */
export function startOf(date: string, zone: string): number {
  let before = Date.parse(`${date}T00:00:00Z`) - FURTHEST;
  let after = before + 2 * FURTHEST;
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (dateAt(middle, zone) >= date) after = middle;
    else before = middle;
  }
  return after;
}

/** The date so many days later. */
export function plusDays(date: string, days: number): string {
  return new Date(Date.parse(`${date}T00:00:00Z`) + days * DAY).toISOString().slice(0, 10);
}

/** From the first to the last microsecond of the dates, both included. */
export function instants(from: string, to: string, zone: string): { start: string; end: string } {
  const end = startOf(plusDays(to, 1), zone) - 1;
  return {
    start: new Date(startOf(from, zone)).toISOString(),
    end: new Date(end).toISOString().replace("Z", "999Z"),
  };
}

/** Whether the browser knows the zone. */
export function isZone(zone: string): boolean {
  try {
    dayFormat(zone);
    return true;
  } catch {
    return false;
  }
}

/** All zones by their region, the store's own and UTC aside. */
export function zonesByRegion(): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const zone of Intl.supportedValuesOf("timeZone")) {
    const region = zone.includes("/") ? (zone.split("/")[0] ?? "") : "Other";
    found.set(region, [...(found.get(region) ?? []), zone]);
  }
  return found;
}
