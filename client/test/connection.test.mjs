// The connection's life: statuses, credentials, heartbeats, reconnects and refusals.

import assert from "node:assert/strict";
import { test } from "node:test";
import { WebSocket } from "ws";
import { createClient } from "../recto.js";
import { serve, snapshot, until } from "./server.mjs";

/** A server, and a client of it that ends with the test. */
async function open(t, options = {}) {
  const server = await serve(t);
  const client = createClient(server.url, { WebSocket, lastRetryMs: 5, onError: () => {}, ...options });
  t.after(() => client.close());
  const statuses = [];
  client.onStatus((status) => statuses.push(status));
  return { server, client, statuses };
}

const online = (client) => until(() => client.status === "online", "the client to be online");

test("attempts that fail make it offline, and the first that succeeds online", async (t) => {
  const { server, client, statuses } = await open(t);
  (await server.accept()).cut();
  const second = await server.accept();
  second.error(await second.expect("phx_join"), { code: "overloaded", reason: "overloaded" });
  await (await server.accept()).welcome(1, {});
  await online(client);
  assert.deepEqual(statuses, ["offline", "online"]);
});

test("a server that never answers the join is given up", async (t) => {
  const { server, client } = await open(t, { timeoutMs: 30 });
  const first = await server.accept();
  await first.expect("phx_join");
  await (await server.accept()).welcome(1, {});
  await online(client);
  assert.ok(first.closed);
  // Timers of one length end in the order they were started: the deadline of the second attempt is over, too.
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.equal(client.status, "online");
});

test("heartbeats are sent, and a silent line is given up", async (t) => {
  const { server, client } = await open(t, { heartbeatMs: 20 });
  const first = await server.accept();
  await first.welcome(1, {});
  await until(() => first.heartbeats === 1, "a heartbeat");
  const second = await server.accept();
  await second.welcome(1, {});
  await online(client);
  assert.ok(first.closed);
  // Anything said counts as life.
  for (let v = 1; v < 6; v += 1) {
    const { heartbeats } = second;
    second.diff(v, v + 1, {});
    await until(() => second.heartbeats > heartbeats, "another heartbeat");
  }
  assert.equal(server.accepted, 2);
});

test("a server that stands still is told from one that has nothing to say", async (t) => {
  const { server, client } = await open(t, { heartbeatMs: 20, staleMs: 1_000 });
  const query = client.liveQuery("q");
  const peer = await server.accept();
  peer.progress = { v: 3, age: 12 };
  await peer.welcome(3, { q1: { mode: "snapshot", cursor: "c", keys: [1], rows: [{ id: 1 }] } });
  await until(() => client.progress?.ageMs === 12, "progress");
  assert.equal(client.progress.version, 3);
  assert.equal(query.status, "live");
  peer.progress = { v: 3, age: 1_001 };
  await until(() => query.status === "stale", "a stale query");
  assert.equal(query.data.length, 1);
  peer.progress = { v: 3, age: 40 };
  await until(() => query.status === "live", "a live query");
  peer.progress = { v: 3, age: 5_000 };
  await until(() => query.status === "stale", "a query that is stale again");
  // A change says more than any heartbeat.
  peer.progress = undefined;
  peer.diff(3, 4, { q1: [["-", 1]] });
  await until(() => query.status === "live", "a query that moved");
  assert.deepEqual(client.progress, { version: 4, ageMs: 0 });
});

test("a crashed or closed channel is joined again", async (t) => {
  const { server, client } = await open(t);
  const first = await server.accept();
  await first.welcome(1, {});
  await online(client);
  first.push("phx_error", { reason: "channel_crash" });
  const second = await server.accept();
  await second.welcome(1, {});
  await online(client);
  second.push("phx_close", {}, "not this join");
  const mutation = client.mutate("m");
  second.ok(await second.expect("mutate"), { v: 1, result: "the same socket" });
  assert.equal(await mutation, "the same socket");
  second.push("phx_close", {});
  await (await server.accept()).welcome(1, {});
  await online(client);
});

test("nonsense ends the connection, not the client", async (t) => {
  const { server, client } = await open(t);
  const query = client.liveQuery("q");
  const first = await server.accept();
  await first.welcome(1, { q1: snapshot("e:1", { id: 1 }) });
  await query.ready();
  first.raw("[");
  const second = await server.accept();
  const { queries } = await second.welcome(2, { q1: { mode: "delta", cursor: "e:2", ops: [["-", 9]] } });
  assert.equal(queries.q1.since, "e:1");
  const third = await server.accept();
  const again = await third.welcome(3, { q1: snapshot("e:3", { id: 2 }) });
  assert.equal(again.queries.q1.since, undefined);
  await until(() => query.data[0].id === 2, "the new snapshot");
});

test("parameters and credentials are asked for at every connect", async (t) => {
  let asked = 0;
  const { server } = await open(t, {
    params: () => ({ n: ++asked, "a b": "c&d" }),
    token: async () => (asked === 0 ? "s3cr3t~ÿ?>" : null),
  });
  const first = await server.accept();
  assert.equal(first.url.search, "?vsn=2.0.0&n=1&a+b=c%26d");
  const [phoenix, bearer] = first.protocols.split(",");
  assert.equal(phoenix, "phoenix");
  assert.match(bearer, /^base64url\.bearer\.phx\.[\w-]+$/);
  assert.equal(Buffer.from(bearer.slice(21), "base64url").toString(), "s3cr3t~ÿ?>");
  first.cut();
  const second = await server.accept();
  assert.equal(second.url.searchParams.get("n"), "2");
  assert.equal(second.protocols, undefined);
});

test("a token that cannot be had is a failed attempt", async (t) => {
  const tokens = [Promise.reject(new Error("the issuer is down")), Promise.resolve("t")];
  const { server, client, statuses } = await open(t, { token: () => tokens.shift() });
  await (await server.accept()).welcome(1, {});
  await online(client);
  assert.deepEqual(statuses, ["offline", "online"]);
});

test("a terminal refusal ends the client and tells everybody why", async (t) => {
  const { server, client, statuses } = await open(t);
  const query = client.liveQuery("q");
  const peer = await server.accept();
  const mutation = client.mutate("m");
  const join = await peer.expect("phx_join");
  peer.error(join, { code: "unauthenticated", reason: "unauthenticated", message: "log in", terminal: true });
  peer.push("phx_close", {});
  await assert.rejects(mutation, { code: "unauthenticated", message: "log in", terminal: true });
  await assert.rejects(query.ready(), { code: "unauthenticated" });
  await assert.rejects(client.mutate("m"), { code: "unauthenticated" });
  await assert.rejects(client.liveQuery("other").ready(), { code: "unauthenticated" });
  await until(() => peer.closed, "the socket to close");
  assert.deepEqual(statuses, ["unauthorized"]);
  assert.equal(server.accepted, 1);
});

test("a terminal refusal that has nothing to do with credentials leaves it offline", async (t) => {
  const { server, client } = await open(t);
  const peer = await server.accept();
  peer.error(await peer.expect("phx_join"), { code: "unsupported_proto", terminal: true });
  await until(() => client.status === "offline", "the client to be offline");
});

test("a revoked session is over", async (t) => {
  const { server, client } = await open(t);
  const query = client.liveQuery("q");
  const peer = await server.accept();
  await peer.welcome(1, { q1: snapshot("e:1", { id: 1 }) });
  await query.ready();
  peer.close(1008);
  await until(() => client.status === "unauthorized", "the client to notice");
  assert.deepEqual([query.status, query.data], ["error", []]);
});

test("close ends everything, and keeps what was on show", async (t) => {
  const { server, client } = await open(t);
  const shown = client.liveQuery("shown");
  const peer = await server.accept();
  await peer.welcome(1, { q1: snapshot("e:1", { id: 1 }) });
  await shown.ready();
  const mutation = client.mutate("m");
  const loading = client.liveQuery("loading").ready();
  client.close();
  await assert.rejects(mutation, { code: "closed" });
  await assert.rejects(loading, { code: "closed" });
  await assert.rejects(client.mutate("m"), { code: "closed" });
  await until(() => peer.closed, "the socket to close");
  assert.deepEqual([client.status, shown.status, shown.data], ["offline", "stale", [{ id: 1 }]]);
});

test("a handle closed before its answer says so", async (t) => {
  const { client } = await open(t);
  const query = client.liveQuery("q");
  const ready = query.ready();
  query.close();
  await assert.rejects(ready, { code: "closed" });
  await assert.rejects(query.ready(), { code: "closed" });
});

test("an address that is none is refused at once", () => {
  assert.throws(() => createClient("/socket", { WebSocket }), TypeError);
});
