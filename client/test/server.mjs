// A server that does what a test tells it to, frame by frame, and a way to wait for things.
//
// What it refuses to know: queries, rows, versions. The test writes every answer; the real server is tested elsewhere.

import { WebSocketServer } from "ws";

/** Longer than any of this takes on a slow machine. */
const BOUND_MS = 5_000;

/** Waits until `condition` returns something true, and returns that. */
export async function until(condition, what) {
  const deadline = Date.now() + BOUND_MS;
  for (;;) {
    const value = condition();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`gave up waiting for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** One accepted socket. */
class Peer {
  #socket;
  #unread = [];
  /** Every event received, in order, heartbeats left out. */
  events = [];
  heartbeats = 0;
  /** What heartbeats are answered with; nothing at first. */
  progress = undefined;
  closed = false;

  constructor(socket, request) {
    this.#socket = socket;
    this.url = new URL(request.url, "ws://server");
    this.protocols = request.headers["sec-websocket-protocol"];
    socket.on("close", () => (this.closed = true));
    socket.on("message", (data) => {
      const [joinRef, ref, topic, event, payload] = JSON.parse(data);
      if (event === "heartbeat") {
        this.heartbeats += 1;
        if (this.progress) {
          const payload = { status: "ok", response: this.progress };
          this.#socket.send(JSON.stringify([null, ref, "phoenix", "phx_reply", payload]));
        }
        return;
      }
      if (event === "phx_join") Object.assign(this, { joinRef, topic });
      this.events.push(event);
      this.#unread.push({ ref, event, payload });
    });
  }

  /** The next message, which must be an `event`. */
  async expect(event) {
    const message = await until(() => this.#unread.shift(), event);
    if (message.event !== event) throw new Error(`expected ${event}, got ${JSON.stringify(message)}`);
    return message;
  }

  /** Reads the join and welcomes it at version `v`. */
  async welcome(v, queries) {
    const join = await this.expect("phx_join");
    this.ok(join, { proto: 1, v, queries });
    return join.payload;
  }

  ok({ ref }, response) {
    this.#send(this.joinRef, ref, "phx_reply", { status: "ok", response });
  }

  error({ ref }, response) {
    this.#send(this.joinRef, ref, "phx_reply", { status: "error", response });
  }

  push(event, payload, joinRef = this.joinRef) {
    this.#send(joinRef, null, event, payload);
  }

  diff(p, v, q, c = {}) {
    this.push("diff", { v, p, q, c });
  }

  raw(text) {
    this.#socket.send(text);
  }

  close(code) {
    this.#socket.close(code);
  }

  /** Cuts the line, without a word. */
  cut() {
    this.#socket.terminate();
  }

  #send(joinRef, ref, event, payload) {
    this.#socket.send(JSON.stringify([joinRef, ref, this.topic, event, payload]));
  }
}

/** Starts a server that ends with the test `t`. */
export async function serve(t) {
  const peers = [];
  let taken = 0;
  const server = new WebSocketServer({
    port: 0,
    host: "127.0.0.1",
    handleProtocols: (offered) => (offered.has("phoenix") ? "phoenix" : false),
  });
  server.on("connection", (socket, request) => peers.push(new Peer(socket, request)));
  await new Promise((resolve) => server.once("listening", resolve));
  t.after(() => {
    for (const socket of server.clients) socket.terminate();
    server.close();
  });
  return {
    url: `ws://127.0.0.1:${server.address().port}/socket`,
    /** How many sockets were accepted so far. */
    get accepted() {
      return peers.length;
    },
    /** The next socket to be accepted. */
    async accept() {
      const peer = await until(() => peers[taken], "a connection");
      taken += 1;
      return peer;
    },
  };
}

/** A snapshot of rows that have an `id`. */
export function snapshot(cursor, ...rows) {
  return { mode: "snapshot", cursor, key: "id", ordered: true, keys: rows.map((row) => row.id), rows };
}

/** A delta since the cursor that was asked with. */
export function delta(cursor, ...ops) {
  return { mode: "delta", cursor, key: "id", ordered: true, ops };
}
