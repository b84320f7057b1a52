// Mutations: answered once, whatever happens to the line.

import assert from "node:assert/strict";
import { test } from "node:test";
import { WebSocket } from "ws";
import { createClient, RectoError } from "../recto.js";
import { serve, snapshot, until } from "./server.mjs";

/** A server and a client of it with one live query, joined at version 1 by `peer`. */
async function joined(t, options = {}) {
  const server = await serve(t);
  const client = createClient(server.url, { WebSocket, lastRetryMs: 5, onError: () => {}, ...options });
  t.after(() => client.close());
  const query = client.liveQuery("q");
  const peer = await server.accept();
  await peer.welcome(1, { q1: snapshot("e:1") });
  await query.ready();
  return { server, client, query, peer };
}

test("a mutation resolves when the client shows its effect, not before", async (t) => {
  const { client, query, peer } = await joined(t);
  let resolved = false;
  const mutation = client.mutate("messages.post", { body: "hi" });
  mutation.then(() => (resolved = true));
  const push = await peer.expect("mutate");
  assert.deepEqual(push.payload, { id: push.payload.id, name: "messages.post", args: { body: "hi" } });
  assert.match(push.payload.id, /^c_[0-9a-f]{24}:1$/);
  peer.ok(push, { v: 3, result: { id: 7 } });
  peer.diff(1, 2, { q1: [["+", 7, { id: 7 }, null]] });
  await until(() => query.data.length === 1, "the first diff");
  assert.equal(resolved, false);
  peer.diff(2, 3, {});
  assert.deepEqual(await mutation, { id: 7 });
});

test("the diff before the reply is the ordinary case", async (t) => {
  const { client, query, peer } = await joined(t);
  const mutation = client.mutate("m").then((result) => [result, query.data.length]);
  const push = await peer.expect("mutate");
  peer.diff(1, 2, { q1: [["+", 7, { id: 7 }, null]] });
  peer.ok(push, { v: 2, result: null });
  assert.deepEqual(await mutation, [null, 1]);
});

test("a refusal is a RectoError with the errors of each field", async (t) => {
  const { client, peer } = await joined(t);
  const mutation = client.mutate("m");
  const refusal = { code: "invalid", reason: "invalid", errors: { body: ["can't be blank"] }, retry_after_ms: 5 };
  peer.error(await peer.expect("mutate"), { ...refusal, details: { a: 1 } });
  const error = await mutation.catch((error) => error);
  assert.ok(error instanceof RectoError && error instanceof Error);
  const { code, reason, message, errors, details, retryAfterMs, terminal } = error;
  assert.deepEqual(
    { code, reason, message, errors, details, retryAfterMs, terminal },
    {
      code: "invalid",
      reason: "invalid",
      message: "invalid",
      errors: { body: ["can't be blank"] },
      details: { a: 1 },
      retryAfterMs: 5,
      terminal: false,
    },
  );
});

test("mutations made offline are sent in order after the join", async (t) => {
  const server = await serve(t);
  const client = createClient(server.url, { WebSocket });
  t.after(() => client.close());
  const both = Promise.all([client.mutate("a"), client.mutate("b")]);
  const peer = await server.accept();
  await peer.welcome(1, {});
  const a = await peer.expect("mutate");
  const b = await peer.expect("mutate");
  assert.deepEqual([a.payload.name, b.payload.name], ["a", "b"]);
  peer.ok(a, { v: 1, result: 1 });
  peer.ok(b, { v: 1, result: 2 });
  assert.deepEqual(await both, [1, 2]);
});

test("a mutation pending when the line drops is sent again under the same id", async (t) => {
  const { server, client, query, peer } = await joined(t);
  const args = { body: "hi" };
  const mutation = client.mutate("m", args);
  args.body = "changed later";
  const first = await peer.expect("mutate");
  peer.cut();
  await until(() => query.status === "stale", "a stale query");
  const second = await server.accept();
  await second.welcome(2, { q1: snapshot("e:2", { id: 7 }) });
  const again = await second.expect("mutate");
  assert.deepEqual(again.payload, first.payload);
  assert.equal(again.payload.args.body, "hi");
  second.ok(again, { v: 2, result: "done" });
  assert.equal(await mutation, "done");
});

test("an answered mutation is not sent again, and resolves when its effect has arrived", async (t) => {
  const { server, client, query, peer } = await joined(t);
  const mutation = client.mutate("m");
  peer.ok(await peer.expect("mutate"), { v: 5, result: "done" });
  peer.diff(1, 2, { q1: [["+", 1, { id: 1 }, null]] });
  await until(() => query.data.length === 1, "what came after the reply");
  peer.cut();
  const second = await server.accept();
  await second.welcome(4, { q1: snapshot("e:4") });
  second.diff(4, 5, {});
  assert.equal(await mutation, "done");
  void client.mutate("next").catch(() => {});
  assert.equal((await second.expect("mutate")).payload.name, "next");
});

test("a server that counts anew keeps nobody waiting", async (t) => {
  const { server, client, peer } = await joined(t);
  peer.diff(1, 50, {});
  const mutation = client.mutate("m");
  peer.ok(await peer.expect("mutate"), { v: 51, result: "done" });
  peer.cut();
  await (await server.accept()).welcome(3, { q1: snapshot("f:3") });
  assert.equal(await mutation, "done");
});

test("an id of the caller's own is used, and is one mutation", async (t) => {
  const { client, peer } = await joined(t);
  const mutation = client.mutate("m", {}, { id: "mine" });
  await assert.rejects(client.mutate("m", {}, { id: "mine" }), { code: "conflict" });
  const push = await peer.expect("mutate");
  assert.equal(push.payload.id, "mine");
  peer.ok(push, { v: 1, result: 1 });
  assert.equal(await mutation, 1);
});

test("more than may wait are refused at once", async (t) => {
  const { client, peer } = await joined(t, { maxPending: 2 });
  const first = client.mutate("m");
  const second = client.mutate("m");
  await assert.rejects(client.mutate("m"), { code: "overloaded" });
  peer.ok(await peer.expect("mutate"), { v: 1, result: 1 });
  await first;
  const third = client.mutate("m");
  for (let left = 2; left > 0; left -= 1) peer.ok(await peer.expect("mutate"), { v: 1, result: 1 });
  await Promise.all([second, third]);
});

test("a mutation that is never answered ends in doubt", async (t) => {
  const { server, client, peer } = await joined(t);
  const mutation = client.mutate("m");
  let current = peer;
  for (let send = 0; send < 5; send += 1) {
    await current.expect("mutate");
    current.push("phx_error", { reason: "channel_crash" });
    current = await server.accept();
    await current.welcome(1, { q1: snapshot("e:1") });
  }
  await assert.rejects(mutation, { code: "in_doubt" });
});

test("a mutation made while the client comes online is sent once, after the older ones", async (t) => {
  const { server, client, peer } = await joined(t);
  const older = client.mutate("older");
  await peer.expect("mutate");
  const made = [older];
  client.onStatus((status) => {
    if (status === "online") made.push(client.mutate("younger"));
  });
  peer.cut();
  const second = await server.accept();
  await second.welcome(1, { q1: snapshot("e:1") });
  for (const name of ["older", "younger"]) {
    const push = await second.expect("mutate");
    assert.equal(push.payload.name, name);
    second.ok(push, { v: 1, result: name });
  }
  assert.deepEqual(await Promise.all(made), ["older", "younger"]);
  assert.deepEqual(second.events, ["phx_join", "mutate", "mutate"]);
});

test("what cannot be sent as JSON is refused at once", async (t) => {
  const { client } = await joined(t);
  await assert.rejects(client.mutate("m", { n: 1n }), TypeError);
});
