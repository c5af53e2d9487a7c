import assert from "node:assert/strict";
import { test } from "node:test";

import { compare, format, fractionDigits } from "../src/exact/decimal.ts";

test("every digit stays", () => {
  const long = "12345678901234567890123456789012345678.99";
  assert.equal(format(long, 2), "12,345,678,901,234,567,890,123,456,789,012,345,678.99");
  assert.equal(format("-0.01", 2), "\u22120.01");
  assert.equal(format("1000", 2), "1,000.00");
  assert.equal(format("999", 0), "999");
});

test("an exponent is only another way to write it", () => {
  assert.equal(format("1.5e3", 0), "1,500");
  assert.equal(format("12E-4", 4), "0.0012");
  assert.equal(compare("1e2", "100.0"), 0);
});

test("what is cut off is rounded, half away from zero", () => {
  assert.equal(format("0.125", 2), "0.13");
  assert.equal(format("-0.125", 2), "\u22120.13");
  assert.equal(format("9.995", 2), "10.00");
  assert.equal(format("999.5", 0), "1,000");
  assert.equal(format("0.0049", 2), "0.00");
  assert.equal(format("-0.0049", 2), "0.00", "nothing is not less than nothing");
});

test("amounts are compared as they are, not as floats", () => {
  assert.equal(compare("9007199254740993", "9007199254740992"), 1);
  assert.equal(compare("0.1", "0.10"), 0);
  assert.equal(compare("-2", "-10"), 1);
  assert.equal(compare("2", "10"), -1);
});

test("digits behind the point are counted without zeros that say nothing", () => {
  assert.equal(fractionDigits("1.50"), 1);
  assert.equal(fractionDigits("7"), 0);
  assert.equal(fractionDigits("1e-3"), 3);
});

test("what is no number is refused", () => {
  for (const text of ["", "abc", "1.", "NaN", "1,000"]) assert.throws(() => format(text, 2));
});
