// The patches that both ends must agree on, shared with the server's tests: `tests/wire/*.json`.

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { applyOps } from "../recto.js";

const folder = new URL("../../tests/wire/", import.meta.url);
// The package may be tested without the rest of the repository.
const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(".json")).sort() : [];

for (const file of names) {
  const { name, rows, keys, ops, rows_after, keys_after } = JSON.parse(readFileSync(new URL(file, folder), "utf8"));
  test(`golden: ${name}`, () => {
    assert.deepEqual(applyOps({ keys, rows }, ops), { keys: keys_after, rows: rows_after });
  });
}
