// The official Phoenix client, unmodified, and bare WebSockets against the chat server at SOCKET_URL, such as
// `ws://127.0.0.1:4000/socket`; started by a test of the Rust side.
//
// Prints one line for everything it checks; the first thing that is not as it should be, or does not come within a
// bound, ends it. Nothing sleeps. It makes a room of its own and touches no other, so the server need not be fresh.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { applyOps } from "../../client/recto.js";

const require = createRequire(new URL("../../client/package.json", import.meta.url));
const WebSocket = require("ws");
globalThis.WebSocket = WebSocket;
const { Socket } = require("phoenix");

const BOUND_MS = 10_000;
const url = process.env.SOCKET_URL;
const run = `${process.pid}-${Date.now()}`;

async function check(what, run) {
  try {
    await run();
  } catch (error) {
    throw new Error(`${what}: ${error.message}`, { cause: error });
  }
  console.log(`ok: ${what}`);
}

/** `promise`, or an error that says what was awaited. */
function within(what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`gave up waiting for ${what}`)), BOUND_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// The official client.

/** A set of live queries kept the way any user of a Phoenix client would keep it. */
class LiveSet {
  /** What came, in order: `["diff", payload]`, `["join", response]`, `["reply", status, response]`. */
  log = [];
  results = new Map();
  version = undefined;
  #wakers = new Set();

  constructor(socket, queries) {
    this.queries = queries;
    this.topic = `live:${Math.random().toString(36).slice(2)}`;
    // A function, so that every rejoin goes on where this one was.
    this.channel = socket.channel(this.topic, () => ({ proto: 1, client: this.topic, queries: this.requests() }));
    this.channel.on("diff", (diff) => {
      assert.equal(diff.p, this.version, "a diff goes on from our version");
      this.version = diff.v;
      for (const [name, ops] of Object.entries(diff.q)) {
        const { keys, rows } = applyOps(this.results.get(name), ops);
        this.results.set(name, { keys, rows, cursor: diff.c[name] });
      }
      this.#saw("diff", diff);
    });
    this.joined = this.channel.join();
    this.joined.receive("ok", (response) => this.#answered("join", response));
    this.joined.receive("error", (response) => this.#saw("refused", response));
  }

  requests() {
    const requests = Object.entries(this.queries).map(([name, query]) => {
      const known = this.results.get(name);
      return [name, known ? { ...query, since: known.cursor } : query];
    });
    return Object.fromEntries(requests);
  }

  /** Pushes `event`; the answer is `["reply", status, response]`, and in the log like everything else. */
  push(event, payload) {
    const answer = new Promise((resolve, reject) => {
      const push = this.channel.push(event, payload);
      for (const status of ["ok", "error"]) push.receive(status, (response) => resolve([status, response]));
      push.receive("timeout", () => reject(new Error(`${event} got no answer`)));
    });
    return answer.then(([status, response]) => {
      if (status === "ok" && response.queries) this.#answered("reply", response);
      else this.#saw("reply", status, response);
      return [status, response];
    });
  }

  async mutate(name, args, id = `${this.topic}:${this.log.length}`) {
    return this.push("mutate", { id, name, args });
  }

  rows(name) {
    return this.results.get(name)?.rows;
  }

  /** Waits until `condition` is true; asked again after everything that comes. */
  until(what, condition) {
    const met = new Promise((resolve) => {
      const wake = () => {
        const value = condition();
        if (!value) return;
        this.#wakers.delete(wake);
        resolve(value);
      };
      this.#wakers.add(wake);
      wake();
    });
    return within(what, met);
  }

  #answered(kind, response) {
    assert.equal(response.proto, 1);
    for (const [name, answer] of Object.entries(response.queries)) {
      const { mode, cursor, keys, rows, ops } = answer;
      if (mode === "snapshot") {
        assert.equal(keys.length, rows.length, "there is a key for every row");
        this.results.set(name, { keys, rows, cursor });
      } else if (mode === "delta") {
        this.results.set(name, { ...applyOps(this.results.get(name), ops), cursor });
      } else {
        assert.equal(mode, "error");
        assert.equal(answer.error.reason, answer.error.code, "generic clients print the reason");
      }
    }
    this.version = response.v;
    this.#saw(kind, response);
  }

  #saw(...entry) {
    this.log.push(entry);
    for (const wake of [...this.#wakers]) wake();
  }
}

/** What a fresh set of `queries` shows, asked over a socket of its own. */
async function fresh(queries) {
  const socket = new Socket(url);
  socket.connect();
  const set = new LiveSet(socket, queries);
  await set.until("a fresh snapshot", () => set.version !== undefined);
  const results = Object.fromEntries([...set.results].map(([name, { keys, rows }]) => [name, { keys, rows }]));
  socket.disconnect();
  return results;
}

/** Whether `set` shows what a fresh one shows. */
async function agrees(set) {
  for (const [name, { keys, rows }] of Object.entries(await fresh(set.queries))) {
    assert.deepEqual(set.results.get(name).keys, keys, `keys of ${name}`);
    assert.deepEqual(set.results.get(name).rows, rows, `rows of ${name}`);
  }
}

async function official() {
  const socket = new Socket(url, { heartbeatIntervalMs: 200 });
  const heartbeats = [];
  socket.onMessage((message) => message.topic === "phoenix" && heartbeats.push(message));
  socket.connect();
  const set = new LiveSet(socket, { rooms: { q: "rooms.all", args: {} } });
  let room;
  const messages = () => ({ q: "messages.latest", args: { room_id: room } });
  const post = (body, id) => set.mutate("messages.post", { room_id: room, author: "phoenix", body }, id);

  await check("a join is answered with a snapshot", async () => {
    await set.until("the join's answer", () => set.version !== undefined);
    const { queries, v } = set.log[0][1];
    assert.ok(Number.isSafeInteger(v));
    assert.equal(queries.rooms.mode, "snapshot");
    assert.equal(typeof queries.rooms.cursor, "string");
    assert.equal(queries.rooms.ordered, true);
  });

  await check("the diff of a mutation comes before its reply", async () => {
    const before = set.rows("rooms").length;
    const [status, { v }] = await set.mutate("rooms.create", { name: `phoenix ${run}` });
    assert.equal(status, "ok");
    assert.ok(v <= set.version, `the reply's version ${v} is not ahead of the last diff's, ${set.version}`);
    assert.equal(set.rows("rooms").length, before + 1);
    assert.deepEqual(set.log.slice(-2).map(([kind]) => kind), ["diff", "reply"]);
    const made = set.rows("rooms").find(({ name }) => name === `phoenix ${run}`);
    assert.equal(made.message_count, 0);
    room = made.id;
  });

  await check("a query can be added, at the version of the others", async () => {
    set.queries.messages = messages();
    const [status, response] = await set.push("add", { queries: { messages: messages() } });
    assert.equal(status, "ok");
    assert.deepEqual(response.queries.messages.rows, []);
    assert.deepEqual(Object.keys(response.queries), ["messages"]);
  });

  await check("two queries move in one diff", async () => {
    await post("hello");
    const diff = set.log.findLast(([kind, payload]) => kind === "diff" && Object.keys(payload.q).length > 0)[1];
    assert.deepEqual(Object.keys(diff.q).sort(), ["messages", "rooms"]);
    assert.deepEqual(Object.keys(diff.c).sort(), ["messages", "rooms"]);
    assert.deepEqual(set.rows("messages").map(({ body }) => body), ["hello"]);
    assert.equal(set.rows("rooms").find(({ id }) => id === room).message_count, 1);
  });

  await check("many ops give the rows that a fresh snapshot gives", async () => {
    // More than the window holds, so that rows leave it at the far end, and come back when newer ones are deleted.
    for (let n = 0; n < 54; n += 1) assert.equal((await post(`number ${n}`))[0], "ok");
    assert.equal(set.rows("messages").length, 50);
    const doomed = set.rows("messages").filter((_, at) => at % 7 === 3);
    for (const { id } of doomed) assert.equal((await set.mutate("messages.delete", { id }))[0], "ok");
    await agrees(set);
  });

  await check("an invalid changeset is an error reply with the errors of each field", async () => {
    const blank = await set.mutate("messages.post", { room_id: room, author: " ", body: "" });
    assert.equal(blank[0], "error");
    assert.equal(blank[1].code, "invalid");
    assert.equal(blank[1].reason, "invalid");
    for (const field of ["author", "body"]) assert.ok(blank[1].errors[field].every((text) => typeof text === "string"));
    const [status, long] = await post("x".repeat(2001));
    assert.equal(status, "error");
    assert.deepEqual(Object.keys(long.errors), ["body"]);
    assert.equal((await post("x".repeat(2000)))[0], "ok");
  });

  await check("a mutation with a known id is answered again and not done again", async () => {
    const before = set.rows("rooms").find(({ id }) => id === room).message_count;
    const first = await post("once", `${set.topic}:once`);
    const second = await post("once", `${set.topic}:once`);
    assert.equal(second[0], "ok");
    assert.deepEqual(second[1].result, first[1].result);
    await post("after");
    assert.equal(set.rows("rooms").find(({ id }) => id === room).message_count, before + 2);
  });

  await check("an unknown mutation and an unknown event are error replies, and harm nothing", async () => {
    for (const [event, payload] of [
      ["mutate", { id: `${set.topic}:unknown`, name: "no.such", args: {} }],
      ["no_such_event", {}],
      ["mutate", { nonsense: true }],
      ["add", { queries: 7 }],
    ]) {
      const [status, response] = await set.push(event, payload);
      assert.equal(status, "error", `${event} ${JSON.stringify(payload)}`);
      assert.equal(typeof response.reason, "string");
    }
    assert.equal((await post("still here"))[0], "ok");
  });

  await check("an unknown query and wrong arguments are refused one by one", async () => {
    const [status, { queries }] = await set.push("add", {
      queries: {
        unknown: { q: "no.such", args: {} },
        wrong: { q: "messages.latest", args: { room_id: "seven" } },
        lacking: { q: "messages.latest", args: {} },
        right: messages(),
      },
    });
    assert.equal(status, "ok");
    const answers = Object.entries(queries).map(([name, { mode, error }]) => [name, error?.code ?? mode]);
    assert.deepEqual(Object.fromEntries(answers), {
      unknown: "unknown_query",
      wrong: "invalid_args",
      lacking: "invalid_args",
      right: "snapshot",
    });
    const mixed = new LiveSet(socket, { a: { q: "no.such", args: {} }, b: messages() });
    await mixed.until("the join's answer", () => mixed.version !== undefined);
    assert.equal(mixed.log[0][1].queries.a.error.code, "unknown_query");
    assert.equal(mixed.log[0][1].queries.b.mode, "snapshot");
    mixed.channel.leave();
  });

  await check("a removed query is not heard of again", async () => {
    assert.deepEqual(await set.push("remove", { queries: ["right", "never added"] }), ["ok", {}]);
    set.results.delete("right");
    await post("nobody called right");
    const diff = set.log.findLast(([kind, payload]) => kind === "diff" && Object.keys(payload.q).length > 0)[1];
    assert.deepEqual(Object.keys(diff.q).sort(), ["messages", "rooms"]);
  });

  await check("a resync goes on from a cursor, and starts again without one", async () => {
    const { cursor } = set.results.get("messages");
    const [, since] = await set.push("resync", { queries: { messages: { ...messages(), since: cursor } } });
    assert.equal(since.queries.messages.mode, "delta");
    const [, anew] = await set.push("resync", { queries: { messages: messages() } });
    assert.equal(anew.queries.messages.mode, "snapshot");
    const strange = { ...messages(), since: "not a cursor" };
    const [, unknown] = await set.push("resync", { queries: { messages: strange } });
    assert.equal(unknown.queries.messages.mode, "snapshot");
    await post("after the resync");
    await agrees(set);
  });

  await check("after the line is cut the client comes back and misses nothing", async () => {
    const joins = () => set.log.filter(([kind]) => kind === "join").length;
    const other = new Socket(url);
    other.connect();
    const elsewhere = new LiveSet(other, {});
    await elsewhere.until("the other join", () => elsewhere.version !== undefined);
    const before = set.rows("messages").length;
    socket.conn.terminate();
    for (const n of [1, 2]) {
      const args = { room_id: room, author: "elsewhere", body: `while you were out ${n}` };
      assert.equal((await elsewhere.mutate("messages.post", args))[0], "ok");
    }
    await set.until("the rejoin", () => joins() === 2);
    const { queries } = set.log.findLast(([kind]) => kind === "join")[1];
    assert.deepEqual([queries.rooms.mode, queries.messages.mode], ["delta", "delta"]);
    await set.until("what was missed", () => set.rows("messages")[0].body === "while you were out 2");
    assert.ok(set.rows("messages").length >= before);
    await agrees(set);
    other.disconnect();
  });

  await check("an unmatched topic is an error", async () => {
    const refused = new Promise((resolve, reject) => {
      const channel = socket.channel("nope:x", {});
      channel.join().receive("ok", reject).receive("error", (response) => resolve([response, channel.leave()]));
    });
    assert.deepEqual((await within("the refusal", refused))[0], { reason: "unmatched topic" });
  });

  await check("a second channel of the same topic takes over", async () => {
    const closed = new Promise((resolve) => set.channel.onClose(resolve));
    const again = socket.channel(set.topic, { proto: 1, client: set.topic, queries: { messages: messages() } });
    const answer = new Promise((resolve, reject) => again.join().receive("ok", resolve).receive("error", reject));
    assert.equal((await within("the second join", answer)).queries.messages.mode, "snapshot");
    await within("the first channel to close", closed);
    const left = new Promise((resolve) => again.onClose(resolve));
    again.leave();
    await within("the second channel to close", left);
  });

  await check("heartbeats are answered", async () => {
    const seen = heartbeats.length;
    const deadline = Date.now() + BOUND_MS;
    while (heartbeats.length === seen && Date.now() < deadline) await new Promise(setImmediate);
    assert.equal(heartbeats.at(-1).event, "phx_reply");
    const { status, response } = heartbeats.at(-1).payload;
    assert.equal(status, "ok");
    assert.ok(response.v >= set.version && Number.isInteger(response.age), JSON.stringify(response));
  });
  socket.disconnect();
}

// Bare WebSockets.

/** A socket that reads and writes JSON, frame by frame. */
class Raw {
  #unread = [];
  #wake = () => {};

  constructor(query, options = {}) {
    this.socket = new WebSocket(`${url}/websocket${query}`, options);
    this.opened = within("the handshake", new Promise((resolve, reject) => {
      this.socket.on("open", () => resolve(101));
      this.socket.on("unexpected-response", (_, response) => resolve(response.statusCode));
      this.socket.on("error", reject);
    }));
    this.closed = new Promise((resolve) => this.socket.on("close", resolve));
    this.socket.on("message", (data) => {
      this.#unread.push(JSON.parse(data));
      this.#wake();
    });
  }

  send(frame) {
    this.socket.send(typeof frame === "string" ? frame : JSON.stringify(frame));
  }

  /** The next frame. */
  async next() {
    if (this.#unread.length === 0) await within("a frame", new Promise((resolve) => (this.#wake = resolve)));
    return this.#unread.shift();
  }

  end() {
    this.socket.terminate();
  }
}

const join = (n) => ({ proto: 1, client: `raw-${run}-${n}`, queries: {} });
const ok = { status: "ok", response: {} };

/** Opens a V2 socket, runs `steps` with it, and ends it. */
async function raw(steps, query = "?vsn=2.0.0", options = {}) {
  const socket = new Raw(query, options);
  assert.equal(await socket.opened, 101);
  await steps(socket).finally(() => socket.end());
}

async function bare() {
  for (const query of ["?vsn=1.0.0", ""]) {
    await check(`version 1 is spoken with ${query || "no vsn"}`, () =>
      raw(async (socket) => {
        const topic = "live:v1";
        const queries = { rooms: { q: "rooms.all", args: {} } };
        socket.send({ topic, event: "phx_join", payload: { ...join(1), queries }, ref: 0 });
        const { payload, ...joined } = await socket.next();
        assert.deepEqual(joined, { topic, event: "phx_reply", ref: 0 });
        assert.equal(payload.response.queries.rooms.mode, "snapshot");
        socket.send({ topic: "phoenix", event: "heartbeat", payload: {}, ref: null, join_ref: null });
        const { payload: beat, ...answered } = await socket.next();
        assert.deepEqual(answered, { topic: "phoenix", event: "phx_reply", ref: null });
        assert.ok(beat.response.v >= payload.response.v, JSON.stringify(beat));
        socket.send({ topic, event: "phx_leave", payload: {}, ref: "2" });
        assert.deepEqual(await socket.next(), { topic, event: "phx_reply", payload: ok, ref: "2" });
        assert.equal((await socket.next()).event, "phx_close");
      }, query),
    );
  }

  await check("refs come back as the JSON values that they were", () =>
    raw(async (socket) => {
      for (const ref of [0, 7, "7", null, "a b"]) {
        socket.send([null, ref, "phoenix", "heartbeat", {}]);
        assert.deepEqual((await socket.next()).slice(0, 4), [null, ref, "phoenix", "phx_reply"]);
      }
      socket.send([3, 0, "live:ints", "phx_join", join(2)]);
      assert.deepEqual((await socket.next()).slice(0, 4), [3, 0, "live:ints", "phx_reply"]);
    }),
  );

  await check("a leave is answered, then the channel closes", () =>
    raw(async (socket) => {
      socket.send(["1", "1", "live:a", "phx_join", join(3)]);
      assert.equal((await socket.next())[4].status, "ok");
      socket.send(["1", "2", "live:a", "phx_leave", {}]);
      assert.deepEqual(await socket.next(), ["1", "2", "live:a", "phx_reply", ok]);
      assert.deepEqual(await socket.next(), ["1", "1", "live:a", "phx_close", {}]);
      socket.send(["1", "3", "live:a", "remove", { queries: [] }]);
      const unmatched = { status: "error", response: { reason: "unmatched topic" } };
      assert.deepEqual(await socket.next(), [null, "3", "live:a", "phx_reply", unmatched]);
      socket.send(["1", "4", "live:a", "phx_leave", {}]);
      assert.deepEqual((await socket.next()).slice(1), ["4", "live:a", "phx_reply", ok]);
    }),
  );

  await check("a second join of a topic closes the first; older refs are dropped, null ones heard", () =>
    raw(async (socket) => {
      socket.send(["1", "1", "live:a", "phx_join", join(4)]);
      await socket.next();
      socket.send(["2", "2", "live:a", "phx_join", join(4)]);
      const frames = [await socket.next(), await socket.next()].map((frame) => [frame[0], frame[3]]);
      assert.deepEqual(frames.sort(), [["1", "phx_close"], ["2", "phx_reply"]]);
      socket.send(["1", "3", "live:a", "remove", { queries: [] }]);
      socket.send([null, "4", "live:a", "remove", { queries: [] }]);
      assert.deepEqual((await socket.next()).slice(1, 4), ["4", "live:a", "phx_reply"]);
    }),
  );

  await check("a protocol that is not spoken is refused for good", () =>
    raw(async (socket) => {
      socket.send(["1", "1", "live:a", "phx_join", { ...join(5), proto: 99 }]);
      const [, , , event, { status, response }] = await socket.next();
      assert.deepEqual([event, status], ["phx_reply", "error"]);
      assert.deepEqual([response.code, response.terminal], ["unsupported_proto", true]);
      assert.deepEqual((await socket.next()).slice(0, 4), ["1", "1", "live:a", "phx_close"]);
    }),
  );

  await check("a socket has at most one hundred channels", () =>
    raw(async (socket) => {
      for (let n = 1; n <= 100; n += 1) {
        socket.send([`${n}`, `${n}`, `live:${n}`, "phx_join", join(`many-${n}`)]);
        assert.equal((await socket.next())[4].status, "ok");
      }
      socket.send(["101", "101", "live:101", "phx_join", join("many-101")]);
      const refused = { status: "error", response: { reason: "too many channels joined" } };
      assert.deepEqual(await socket.next(), ["101", "101", "live:101", "phx_reply", refused]);
    }),
  );

  const { host } = new URL(url);
  for (const [what, query, options, status] of [
    ["a version that does not exist is forbidden", "?vsn=9.0.0", {}, 403],
    ["a version that is none is forbidden", "?vsn=two", {}, 403],
    ["another site's page is forbidden", "?vsn=2.0.0", { origin: "http://evil.example" }, 403],
    ["our own page is welcome", "?vsn=2.0.0", { origin: `http://${host}` }, 101],
  ]) {
    await check(what, async () => {
      const socket = new Raw(query, options);
      assert.equal(await socket.opened, status);
      socket.socket.on("error", () => {});
      socket.end();
    });
  }

  const big = "x".repeat(1 << 20);
  for (const [what, frame, code] of [
    ["a frame over 1 MiB closes the socket with 1009", [null, "1", "phoenix", "heartbeat", { big }], 1009],
    ["a frame that is no JSON closes it with 1007", "[", 1007],
    ["a frame that is no message closes it with 1007", '{"a":1}', 1007],
  ]) {
    await check(what, () =>
      raw(async (socket) => {
        socket.send(frame);
        assert.equal(await within("the close", socket.closed), code);
      }),
    );
  }
}

try {
  assert.ok(url, "SOCKET_URL is not set");
  await official();
  await bare();
  console.log("all is well");
  process.exit(0);
} catch (error) {
  console.error(`FAILED: ${error.message}`, error.cause ?? error);
  process.exit(1);
}
