import assert from "node:assert/strict";
import { test } from "node:test";

import { nextSort, sorted } from "../src/numbers/order.ts";
import { read, write } from "../src/state/view.ts";

test("what is written into an address is read from it", () => {
  const address =
    "#/numbers?register=3&range=free&from=2024-02-01&to=2024-02-29&period=day&zone=Asia%2FKathmandu" +
    "&by=ship+from&by=a%26b&measure=average&chart=lines&top=all&sort=-value";
  assert.equal(write(read(address)), address);
  assert.deepEqual(read(address).by, ["ship from", "a&b"]);
});

test("an address says no more than it has to", () => {
  assert.equal(write(read("")), "#/numbers");
  assert.equal(write(read("#/reports?measure=sum&top=5&chart=bars")), "#/reports");
});

test("nonsense in an address is as if it were not there", () => {
  const view = read("#/x?register=-1&range=ever&zone=Mars/Phobos&measure=toString&top=7&from=2024-99-01");
  assert.equal(write(view), "#/numbers");
});

const rows = [
  ["Apr 2024", "b", "2"],
  ["Jan 2024", "b", "10"],
  ["Apr 2024", "a", "-3"],
  ["Jan 2024", "a", "0.5"],
].map(([period = "", group = "", value = ""]) => ({ period, group: [group], isOther: false, value }));
const values = (sort: string) => sorted(rows, sort).map((row) => row.value);

test("a table is sorted by what a column means", () => {
  assert.deepEqual(values(""), ["2", "10", "-3", "0.5"]);
  assert.deepEqual(values("value"), ["-3", "0.5", "2", "10"]);
  assert.deepEqual(values("-value"), ["10", "2", "0.5", "-3"]);
  assert.deepEqual(values("0"), ["-3", "0.5", "2", "10"]);
  assert.deepEqual(values("period"), ["2", "-3", "10", "0.5"], "in the order of time, as they came");
});

test("a third press on a head undoes the first", () => {
  const presses = [0, 1, 2].reduce<string[]>((told) => [...told, nextSort(told.at(-1) ?? "", "value")], []);
  assert.deepEqual(presses, ["-value", "value", ""]);
});
