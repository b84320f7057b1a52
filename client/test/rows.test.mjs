// Results and ops, without any connection.

import assert from "node:assert/strict";
import { test } from "node:test";
import { adopt, applyOps, canonical, NOTHING } from "../rows.js";

/** A result whose keys are letters and whose rows say how often they were changed. */
const letters = (text) => ({ keys: [...text], rows: [...text].map((id) => ({ id, n: 0 })) });

/** Applies `ops` to the letters and shows the order that results. */
function check(before, ops, expected) {
  const { keys, rows } = applyOps(letters(before), ops);
  assert.equal(keys.join(""), expected);
  assert.equal(rows.map((row) => row.id).join(""), expected);
}

test("rows go where the op says", () => {
  check("abc", [["+", "x", { id: "x" }, null]], "xabc");
  check("abc", [["+", "x", { id: "x" }, "a"]], "axbc");
  check("abc", [["+", "x", { id: "x" }, "c"]], "abcx");
  check("", [["+", "x", { id: "x" }, null]], "x");
});

test("an insert of a known key replaces and places it", () => {
  check("abc", [["+", "a", { id: "a", n: 1 }, "c"]], "bca");
  check("abc", [["+", "c", { id: "c", n: 1 }, null]], "cab");
});

test("an insert without a place keeps a known row where it is and puts a new one last", () => {
  check("abc", [["+", "b", { id: "b", n: 1 }]], "abc");
  check("abc", [["+", "x", { id: "x" }]], "abcx");
});

test("moves and removals", () => {
  check("abc", [[">", "c", null]], "cab");
  check("abc", [[">", "a", "b"]], "bac");
  check("abc", [["-", "b"]], "ac");
  check("a", [["-", "a"]], "");
});

test("ops are applied in order, each to what the one before it left", () => {
  const window = [["-", "c"], ["+", "d", { id: "d" }, null], [">", "b", null], ["+", "e", { id: "e" }, "d"]];
  check("abc", window, "bdea");
});

test("number keys and text keys are different keys", () => {
  const before = { keys: [1, "1"], rows: [{ id: 1 }, { id: "1" }] };
  assert.deepEqual(applyOps(before, [["-", "1"]]).keys, [1]);
});

test("composite keys are text like any other", () => {
  const before = { keys: ["[1,2]"], rows: [{ a: 1, b: 2 }] };
  const after = applyOps(before, [["+", "[1,3]", { a: 1, b: 3 }, "[1,2]"], ["~", "[1,2]", { c: null }]]);
  assert.deepEqual(after, { keys: ["[1,2]", "[1,3]"], rows: [{ a: 1, b: 2, c: null }, { a: 1, b: 3 }] });
});

test("a row that did not change stays the same object, and the input is left alone", () => {
  const before = letters("abc");
  const copy = structuredClone(before);
  const after = applyOps(before, [["~", "b", { n: 1 }], [">", "c", null]]);
  assert.equal(after.rows[0], before.rows[2]);
  assert.equal(after.rows[1], before.rows[0]);
  assert.notEqual(after.rows[2], before.rows[1]);
  assert.deepEqual(before, copy);
});

test("a result that did not change stays the same object", () => {
  const before = letters("abc");
  assert.equal(applyOps(before, []), before);
  assert.equal(applyOps(before, [["~", "b", { n: 0 }], ["+", "c", { id: "c", n: 0 }, "b"]]), before);
  assert.equal(applyOps(before, [[">", "a", "c"], [">", "a", null]]), before);
});

test("a snapshot that says the same changes nothing, nested values included", () => {
  const before = { keys: [1], rows: [{ id: 1, tags: ["a", { b: null }] }] };
  assert.equal(adopt(before, structuredClone(before)), before);
  const after = adopt(before, { keys: [2, 1], rows: [{ id: 2 }, structuredClone(before.rows[0])] });
  assert.equal(after.rows[1], before.rows[0]);
  assert.equal(adopt(NOTHING, { keys: [], rows: [] }), NOTHING);
});

test("a column called __proto__ is a column", () => {
  const patch = JSON.parse('["~","a",{"__proto__":1}]');
  const { rows } = applyOps(letters("a"), [patch]);
  assert.equal(Object.getOwnPropertyDescriptor(rows[0], "__proto__").value, 1);
});

test("ops that cannot be meant for this result are refused", () => {
  for (const op of [["~", "x", {}], ["-", "x"], [">", "x", null], [">", "a", "x"], ["+", "x", {}, "y"], ["?", "a"]]) {
    assert.throws(() => applyOps(letters("a"), [op]), Error, JSON.stringify(op));
  }
});

test("arguments that say the same are the same", () => {
  assert.equal(canonical({ b: 1, a: { d: [2, { f: 1, e: 2 }], c: 3 } }), '{"a":{"c":3,"d":[2,{"e":2,"f":1}]},"b":1}');
  assert.equal(canonical({ a: undefined }), "{}");
});
