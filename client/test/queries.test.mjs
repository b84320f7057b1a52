// Live queries, against a server that plays back frames.

import assert from "node:assert/strict";
import { test } from "node:test";
import { WebSocket } from "ws";
import { createClient } from "../recto.js";
import { delta, serve, snapshot, until } from "./server.mjs";

/** A server, and a client of it that ends with the test. */
async function open(t, options = {}) {
  const server = await serve(t);
  const errors = [];
  const onError = (error) => errors.push(error);
  const client = createClient(server.url, { WebSocket, lastRetryMs: 5, lingerMs: 1, onError, ...options });
  t.after(() => client.close());
  return { server, client, errors };
}

const live = (query) => until(() => query.status === "live", "a live query");
const ids = (query) => query.data.map((row) => row.id);

test("queries opened before the join travel in it", async (t) => {
  const { server, client } = await open(t);
  const rooms = client.liveQuery("rooms.all");
  const latest = client.liveQuery("messages.latest", { room_id: 1 });
  assert.equal(client.status, "connecting");
  assert.equal(rooms.status, "loading");
  assert.deepEqual(rooms.data, []);

  const peer = await server.accept();
  const join = await peer.welcome(7, { q1: snapshot("e:7", { id: 1 }), q2: snapshot("e:7") });
  assert.equal(join.proto, 1);
  assert.equal(peer.topic, `live:${join.client}`);
  assert.deepEqual(join.queries, {
    q1: { q: "rooms.all", args: {} },
    q2: { q: "messages.latest", args: { room_id: 1 } },
  });
  assert.equal(peer.url.pathname, "/socket/websocket");
  assert.equal(peer.url.searchParams.get("vsn"), "2.0.0");
  assert.deepEqual(await rooms.ready(), [{ id: 1 }]);
  assert.deepEqual(await latest.ready(), []);
  assert.equal(client.status, "online");
});

test("diffs are applied, and rows that did not change stay the same objects", async (t) => {
  const { server, client } = await open(t);
  const query = client.liveQuery("q");
  const seen = [];
  query.subscribe((rows) => seen.push(rows));
  const peer = await server.accept();
  await peer.welcome(1, { q1: snapshot("e:1", { id: 1, n: 0 }, { id: 2, n: 0 }) });
  await live(query);
  peer.diff(1, 2, { q1: [["~", 2, { n: 1 }], ["+", 3, { id: 3 }, null]] }, { q1: "e:2" });
  peer.diff(2, 3, {});
  peer.diff(3, 4, { q1: [["~", 2, { n: 1 }]] }, { q1: "e:4" });
  peer.diff(4, 5, { q1: [["-", 1]] }, { q1: "e:5" });
  await until(() => query.data.length === 2 && query.data[0].id === 3, "the last diff");
  assert.deepEqual(seen.map((rows) => rows.map((row) => row.id)), [[1, 2], [3, 1, 2], [3, 2]]);
  assert.equal(seen[0][0], seen[1][1]);
  assert.equal(seen[1][2], seen[2][1]);
});

test("all queries of a frame are applied before anybody hears of it", async (t) => {
  const { server, client } = await open(t);
  const a = client.liveQuery("a");
  const b = client.liveQuery("b");
  const seen = [];
  a.subscribe(() => seen.push([a.data.length, b.data.length]));
  b.subscribe(() => seen.push([a.data.length, b.data.length]));
  const peer = await server.accept();
  await peer.welcome(1, { q1: snapshot("e:1"), q2: snapshot("e:1") });
  await live(a);
  peer.diff(1, 2, { q1: [["+", 1, { id: 1 }, null]], q2: [["+", 1, { id: 1 }, null]] });
  await until(() => seen.length === 4, "two notifications each");
  assert.deepEqual(seen, [[0, 0], [0, 0], [1, 1], [1, 1]]);
});

test("a gap is closed by a resync that goes on from the cursors", async (t) => {
  const { server, client } = await open(t);
  const query = client.liveQuery("q", { x: 1 });
  const seen = [];
  query.subscribe((rows, { status }) => seen.push(`${status} ${ids(query)}`));
  const peer = await server.accept();
  await peer.welcome(1, { q1: snapshot("e:1", { id: 1 }) });
  peer.diff(1, 2, { q1: [["+", 2, { id: 2 }, 1]] }, { q1: "e:2" });
  peer.diff(3, 4, { q1: [["-", 1]] }, { q1: "e:4" });
  const resync = await peer.expect("resync");
  assert.deepEqual(resync.payload, { queries: { q1: { q: "q", args: { x: 1 }, since: "e:2" } } });
  // Sent before the server has read the resync, and so part of its answer, even if the version would fit.
  peer.diff(2, 5, { q1: [["-", 2]] }, { q1: "e:5" });
  peer.push("reset", { v: 5, queries: { q1: snapshot("e:5") } });
  peer.ok(resync, { proto: 1, v: 6, queries: { q1: delta("e:6", ["+", 6, { id: 6 }, 2]) } });
  peer.diff(6, 7, { q1: [["-", 6]] }, { q1: "e:7" });
  await until(() => seen.length === 5, "all versions");
  assert.deepEqual(seen, ["live 1", "live 1,2", "stale 1,2", "live 1,2,6", "live 1,2"]);
});

test("an op that does not fit makes the client ask for everything, and show nothing of that frame", async (t) => {
  const { server, client, errors } = await open(t);
  const a = client.liveQuery("a");
  const b = client.liveQuery("b");
  const peer = await server.accept();
  await peer.welcome(1, { q1: snapshot("e:1", { id: 1 }), q2: snapshot("e:1", { id: 1 }) });
  await live(a);
  peer.diff(1, 2, { q1: [["-", 1]], q2: [["-", 9]] }, { q1: "e:2", q2: "e:2" });
  const { payload, ref } = await peer.expect("resync");
  assert.deepEqual(payload.queries, { q1: { q: "a", args: {} }, q2: { q: "b", args: {} } });
  assert.deepEqual([ids(a), a.status, ids(b), b.status], [[1], "stale", [1], "stale"]);
  assert.equal(errors.length, 1);
  peer.ok({ ref }, { proto: 1, v: 3, queries: { q1: snapshot("e:3"), q2: snapshot("e:3", { id: 1 }) } });
  await live(a);
  assert.deepEqual([ids(a), ids(b)], [[], [1]]);
});

test("queries opened after the join are added together, and start with the others", async (t) => {
  const { server, client } = await open(t);
  const peer = await server.accept();
  await peer.welcome(1, {});
  await until(() => client.status === "online", "the client to be online");
  const a = client.liveQuery("a");
  const b = client.liveQuery("b");
  const add = await peer.expect("add");
  assert.deepEqual(Object.keys(add.payload.queries), ["q1", "q2"]);
  const c = client.liveQuery("c");
  const unknown = { mode: "error", error: { code: "unknown_query" } };
  peer.ok(add, { proto: 1, v: 2, queries: { q1: snapshot("e:2"), q2: unknown } });
  await live(a);
  assert.equal(b.status, "error");
  assert.equal(b.error.code, "unknown_query");
  await assert.rejects(b.ready(), { code: "unknown_query" });
  peer.error(await peer.expect("add"), { code: "too_many_queries", reason: "too_many_queries", message: "enough" });
  await assert.rejects(c.ready(), { code: "too_many_queries", message: "enough" });
  peer.diff(2, 3, { q1: [["+", 1, { id: 1 }, null]] });
  await until(() => a.data.length === 1, "the diff after the add");
});

test("an add that meets a gap is repaired together with the rest", async (t) => {
  const { server, client } = await open(t);
  const a = client.liveQuery("a");
  const peer = await server.accept();
  await peer.welcome(1, { q1: snapshot("e:1") });
  await live(a);
  const b = client.liveQuery("b");
  const add = await peer.expect("add");
  peer.diff(8, 9, {});
  peer.ok(add, { proto: 1, v: 9, queries: { q2: snapshot("e:9", { id: 1 }) } });
  const resync = await peer.expect("resync");
  assert.deepEqual(resync.payload.queries, { q1: { q: "a", args: {}, since: "e:1" }, q2: { q: "b", args: {} } });
  assert.equal(b.status, "loading");
  peer.ok(resync, { proto: 1, v: 10, queries: { q1: delta("e:10"), q2: snapshot("e:10", { id: 1 }) } });
  await live(b);
  assert.deepEqual([a.status, ids(b)], ["live", [1]]);
});

test("after a drop the queries are stale, and resume from their cursors", async (t) => {
  const { server, client } = await open(t);
  const a = client.liveQuery("a");
  const b = client.liveQuery("b");
  const statuses = [];
  client.onStatus((status) => statuses.push(status));
  const first = await server.accept();
  await first.welcome(1, { q1: snapshot("e:1", { id: 1 }), q2: snapshot("e:1", { id: 1 }) });
  first.diff(1, 2, { q1: [["+", 2, { id: 2 }, 1]] }, { q1: "e:2" });
  await until(() => a.data.length === 2, "the diff");
  const [row] = b.data;
  const rows = b.data;
  first.cut();
  await until(() => a.status === "stale" && b.status === "stale", "stale queries");
  assert.deepEqual([ids(a), ids(b)], [[1, 2], [1]]);

  const second = await server.accept();
  const join = await second.welcome(5, { q1: delta("e:5", ["-", 1]), q2: snapshot("f:5", { id: 1 }) });
  assert.deepEqual([join.queries.q1.since, join.queries.q2.since], ["e:2", "e:1"]);
  assert.equal(second.topic, first.topic);
  await live(a);
  assert.deepEqual(ids(a), [2]);
  assert.equal(b.data, rows);
  assert.equal(b.data[0], row);
  assert.deepEqual(statuses, ["online", "connecting", "online"]);
});

test("a question that was lost with the line is asked again after the join", async (t) => {
  const { server, client } = await open(t);
  const first = await server.accept();
  await first.welcome(1, {});
  await until(() => client.status === "online", "the client to be online");
  const args = { n: 1 };
  const a = client.liveQuery("a", args);
  args.n = 2;
  await first.expect("add");
  first.diff(7, 8, {});
  first.cut();
  const second = await server.accept();
  const join = await second.welcome(9, { q1: snapshot("e:9") });
  assert.deepEqual(join.queries, { q1: { q: "a", args: { n: 1 } } });
  await live(a);
  const b = client.liveQuery("b");
  second.diff(9, 10, {});
  second.ok(await second.expect("add"), { proto: 1, v: 10, queries: { q2: snapshot("e:10") } });
  await live(b);
});

test("a reset replaces, or takes away", async (t) => {
  const { server, client } = await open(t);
  const a = client.liveQuery("a");
  const b = client.liveQuery("b");
  const peer = await server.accept();
  await peer.welcome(5, { q1: snapshot("e:5", { id: 1 }), q2: snapshot("e:5", { id: 1 }) });
  await live(a);
  const error = { code: "forbidden", reason: "forbidden", terminal: true };
  peer.push("reset", { v: 9, queries: { q1: snapshot("e:9", { id: 2 }), q2: { mode: "error", error } } });
  peer.diff(9, 10, { q1: [["+", 3, { id: 3 }, 2]] });
  await until(() => a.data.length === 2, "the diff after the reset");
  assert.deepEqual(ids(a), [2, 3]);
  assert.deepEqual([b.status, b.error.code, b.data], ["error", "forbidden", []]);

  peer.cut();
  const { queries } = (await (await server.accept()).expect("phx_join")).payload;
  assert.deepEqual(Object.keys(queries), ["q1"]);
});

test("a query refused for a while is asked again", async (t) => {
  const { server, client } = await open(t);
  const query = client.liveQuery("q");
  const peer = await server.accept();
  await peer.welcome(1, { q1: { mode: "error", error: { code: "overloaded", retry_after_ms: 1 } } });
  peer.ok(await peer.expect("add"), { proto: 1, v: 1, queries: { q1: snapshot("e:1") } });
  await live(query);
  assert.equal(query.error, null);
});

test("handles with the same arguments share a query; the last one to close ends it", async (t) => {
  const { server, client } = await open(t);
  const one = client.liveQuery("q", { a: 1, b: { d: 2, c: 3 } });
  const two = client.liveQuery("q", { b: { c: 3, d: 2 }, a: 1 });
  const other = client.liveQuery("q", { a: 2 });
  const peer = await server.accept();
  const join = await peer.welcome(1, { q1: snapshot("e:1", { id: 1 }), q2: snapshot("e:1") });
  assert.deepEqual(Object.keys(join.queries), ["q1", "q2"]);
  await live(one);
  assert.equal(one.data, two.data);

  let calls = 0;
  one.subscribe(() => (calls += 1));
  one.close();
  one.close();
  peer.diff(1, 2, { q1: [["-", 1]] });
  await until(() => two.data.length === 0, "the diff");
  assert.equal(calls, 1);
  two.close();
  assert.deepEqual((await peer.expect("remove")).payload, { queries: ["q1"] });
  other.close();
  assert.deepEqual((await peer.expect("remove")).payload, { queries: ["q2"] });
});

test("a query reopened while it lingers was never closed", async (t) => {
  const { server, client } = await open(t, { lingerMs: 20 });
  const query = client.liveQuery("q");
  const peer = await server.accept();
  await peer.welcome(1, { q1: snapshot("e:1", { id: 1 }) });
  await live(query);
  query.close();
  assert.deepEqual(await client.liveQuery("q").ready(), [{ id: 1 }]);
  // Timers of one length end in the order they were started, so nothing lingers after this one.
  await new Promise((resolve) => setTimeout(resolve, 20));
  const mutation = client.mutate("m");
  peer.ok(await peer.expect("mutate"), { v: 1, result: null });
  await mutation;
  assert.deepEqual(peer.events, ["phx_join", "mutate"]);
});

test("a refused query does not linger", async (t) => {
  const { server, client } = await open(t, { lingerMs: 2_000 });
  const query = client.liveQuery("q");
  const peer = await server.accept();
  await peer.welcome(1, { q1: { mode: "error", error: { code: "forbidden", terminal: true } } });
  await assert.rejects(query.ready(), { code: "forbidden", terminal: true });
  query.close();
  const again = client.liveQuery("q");
  const add = await peer.expect("add");
  peer.ok(add, { proto: 1, v: 1, queries: { q2: snapshot("e:1") } });
  await live(again);
});

test("a query closed while the join was under way is removed after it", async (t) => {
  const { server, client } = await open(t);
  const query = client.liveQuery("q");
  const peer = await server.accept();
  const join = await peer.expect("phx_join");
  query.close();
  // Timers of one length end in the order they were started, so the query is gone after this one.
  await new Promise((resolve) => setTimeout(resolve, 1));
  peer.ok(join, { proto: 1, v: 1, queries: { q1: snapshot("e:1") } });
  assert.deepEqual((await peer.expect("remove")).payload, { queries: ["q1"] });
});

test("what listeners throw or do harms nobody", async (t) => {
  const { server, client, errors } = await open(t);
  const query = client.liveQuery("q");
  const seen = [];
  query.subscribe(() => {
    throw new Error("mine");
  });
  client.onStatus(() => {
    throw new Error("mine too");
  });
  const ends = [];
  ends.push(query.subscribe(() => ends[1]()));
  ends.push(query.subscribe(() => seen.push("ended by the one before")));
  query.subscribe((rows) => seen.push(rows.length));
  const peer = await server.accept();
  await peer.welcome(1, { q1: snapshot("e:1") });
  peer.diff(1, 2, { q1: [["+", 1, { id: 1 }, null]] });
  await until(() => seen.length === 2, "both versions");
  assert.deepEqual(seen, [0, 1]);
  assert.deepEqual(errors.map((error) => error.message), ["mine too", "mine", "mine"]);
});

test("a subscriber is called at once when there is something to see", async (t) => {
  const { server, client } = await open(t);
  const query = client.liveQuery("q");
  const seen = [];
  query.subscribe(() => seen.push("early"));
  const peer = await server.accept();
  await peer.welcome(1, { q1: snapshot("e:1") });
  await live(query);
  query.subscribe(() => seen.push("late"));
  assert.deepEqual(seen, ["early", "late"]);
});
