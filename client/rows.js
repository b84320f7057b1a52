// Results and what changes them: rows in the server's order, each under a key, and ops that patch them.
//
// What it refuses to know: sockets, versions, and how rows are sorted or limited; the server says where each row goes.
//
// Invariants: nothing is changed in place; a row that did not change stays the same object, and a result in which no
// row changed stays the same result.

/**
 * @typedef {string | number} Key  What the server calls a row; a composite key is a JSON array in a string.
 * @typedef {Record<string, any>} Row
 * @typedef {["+", Key, Row, (Key | null)?] | ["~", Key, Row] | [">", Key, Key | null] | ["-", Key] | ["x", Key]
 *   | ["/", Key, string, string, Op[]]} Op
 * @typedef {{ readonly keys: readonly Key[], readonly rows: readonly Row[] }} Result  Rows, and the key of each.
 */

/** The result of a query that has not been answered. @type {Result} */
export const NOTHING = Object.freeze({ keys: Object.freeze([]), rows: Object.freeze([]) });

/**
 * The result after `ops`, in order. The same object when nothing changed; rows that did not change keep their identity.
 * Each op searches for its key, so the cost is ops times rows: results are windows, and ops are few.
 *
 * @param {Result} before
 * @param {readonly Op[]} ops
 * @returns {Result}
 * @throws {Error} when an op names a row that is not there: this was not the result the ops were made for.
 */
export function applyOps(before, ops) {
  const keys = [...before.keys];
  const rows = [...before.rows];

  /** @param {Key} key */
  const find = (key) => {
    const at = keys.indexOf(key);
    if (at < 0) throw new Error(`no row has the key ${JSON.stringify(key)}`);
    return at;
  };
  /** @param {number} at */
  const take = (at) => {
    keys.splice(at, 1);
    return /** @type {Row} */ (rows.splice(at, 1)[0]);
  };
  /** @param {number} at @param {Key} key @param {Row} row */
  const put = (at, key, row) => {
    keys.splice(at, 0, key);
    rows.splice(at, 0, row);
  };
  /** @param {Key | null} key */
  const after = (key) => (key === null ? 0 : find(key) + 1);

  for (const op of ops) {
    switch (op[0]) {
      case "+": {
        const [, key, row, place] = op;
        const at = keys.indexOf(key);
        const kept = at < 0 ? row : keep(take(at), row);
        // Results without an order may leave the place out: a known row stays, a new one goes to the end.
        put(place === undefined ? (at < 0 ? keys.length : at) : after(place), key, kept);
        break;
      }
      case "~": {
        const at = find(op[1]);
        const row = /** @type {Row} */ (rows[at]);
        rows[at] = keep(row, { ...row, ...op[2] });
        break;
      }
      case "/": {
        // Inside a row: the rows that hang on it under a name, whose keys are in one of their fields; or the only one.
        const [, key, name, field, inside] = op;
        const at = find(key);
        const row = /** @type {Row} */ (rows[at]);
        const isOne = !Array.isArray(row[name]);
        const hung = /** @type {Row[]} */ (isOne ? [row[name]] : row[name]);
        const below = { keys: hung.map((one) => /** @type {Key} */ (one[field])), rows: hung };
        const changed = applyOps(below, inside);
        if (changed !== below) rows[at] = { ...row, [name]: isOne ? changed.rows[0] : changed.rows };
        break;
      }
      case ">": {
        const [, key, place] = op;
        const row = take(find(key));
        put(after(place), key, row);
        break;
      }
      case "-":
        take(find(op[1]));
        break;
      case "x": {
        // From a server that does not know which rows this client has.
        const at = keys.indexOf(op[1]);
        if (0 <= at) take(at);
        break;
      }
      default:
        throw new Error(`unknown op ${JSON.stringify(op)}`);
    }
  }
  return settle(before, { keys, rows });
}

/**
 * The result `after`, with every row that `before` has too taken from there.
 *
 * @param {Result} before
 * @param {Result} after
 * @returns {Result}
 */
export function adopt(before, after) {
  const known = new Map(before.keys.map((key, at) => [key, before.rows[at]]));
  const rows = after.rows.map((row, at) => keep(known.get(/** @type {Key} */ (after.keys[at])), row));
  return settle(before, { keys: after.keys, rows });
}

/** `before` when both hold the same rows under the same keys. @param {Result} before @param {Result} after */
function settle(before, after) {
  const unchanged =
    before.rows.length === after.rows.length &&
    after.rows.every((row, at) => row === before.rows[at] && after.keys[at] === before.keys[at]);
  return unchanged ? before : after;
}

/** `before` when `after` says the same. @template T @param {T | undefined} before @param {T} after @returns {T} */
function keep(before, after) {
  return before !== undefined && equal(before, after) ? before : after;
}

/** Whether two JSON values say the same. @param {any} a @param {any} b @returns {boolean} */
function equal(a, b) {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const names = Object.keys(a);
  if (names.length !== Object.keys(b).length) return false;
  return names.every((name) => Object.hasOwn(b, name) && equal(a[name], b[name]));
}

/** JSON in which objects that say the same look the same. @param {unknown} value */
export function canonical(value) {
  return JSON.stringify(value, (_, part) =>
    part !== null && typeof part === "object" && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
