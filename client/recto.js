// Live queries and mutations over one WebSocket: the browser's half of Recto.
//
// The server speaks Phoenix Channels. The client joins one channel, `live:<client id>`, and keeps every live query of
// the page in it, so that all of them move together, from one committed state of the database to a later one.
//
// What it refuses to know: how rows are drawn, what SQL is, how to sort or to limit, and what a cursor means.
//
// Invariants
//   whole     Everything a frame says is applied before any listener hears of any of it.
//   exact     A diff is applied to the version it was made for, or not at all.
//   once      A mutation keeps its id until it is answered, however often it has to be sent.
//   owned     Closing a client ends its socket, its timers and its promises.

import { Connection, RectoError } from "./connection.js";
import { adopt, applyOps, canonical, NOTHING } from "./rows.js";

export { applyOps, RectoError };

/** The version of the messages inside the channel. */
const PROTO = 1;

/** How often a mutation is sent before its outcome is called unknown: a server it crashes must not meet it for ever. */
const MAX_SENDS = 5;

/** Refusals that new credentials would cure. */
const UNAUTHORIZED = new Set(["unauthenticated", "forbidden", "unauthorized"]);

/**
 * @typedef {import("./connection.js").Settings} Settings
 * @typedef {import("./rows.js").Op} Op
 * @typedef {import("./rows.js").Row} Row
 * @typedef {"connecting" | "online" | "offline" | "unauthorized"} ClientStatus
 * @typedef {"loading" | "live" | "stale" | "error"} QueryStatus
 */

/**
 * @typedef {object} OwnOptions
 * @property {number} lingerMs
 * @property {number} maxPending
 * @property {number} staleMs
 * @typedef {Settings & OwnOptions} AllOptions
 * @typedef {Partial<AllOptions>} Options
 */

/** @type {AllOptions} */
const DEFAULTS = {
  // Half the server's idle timeout. A socket that stays silent for one such period after a heartbeat is dead.
  heartbeatMs: 30_000,
  // How old the newest state that the server has looked at may be before rows are called stale. It looks about once a
  // second when nothing happens, and calls itself unwell after three.
  staleMs: 5_000,
  // For connecting and joining together; Phoenix's clients wait as long.
  timeoutMs: 10_000,
  // The longest wait before the first reconnect: most drops are short. It doubles with every failure.
  firstRetryMs: 100,
  // The longest wait before any reconnect: a guess at how long a reader waits before reloading the page.
  lastRetryMs: 5_000,
  // How long a query outlives its last handle, so that a page that reopens it while it redraws does not load it twice.
  lingerMs: 1_000,
  // How many mutations may wait for their answer: people make no more, and programs should hear of it.
  maxPending: 100,
  onError: (error) => console.error(error),
};

/**
 * A client of the server at `url`, such as `ws://localhost:4000/socket`, or `/socket` in a browser. It connects at
 * once and stays connected until it is closed.
 *
 * @param {string} url
 * @param {Options} [options]
 * @returns {Client}
 */
export function createClient(url, options = {}) {
  return new Client(url, { ...DEFAULTS, ...options });
}

/** One query of the channel, however many handles it has. */
class Query {
  /** @param {string} local @param {string} id @param {string} name @param {any} args */
  constructor(local, id, name, args) {
    /** Its name in the channel, never used twice. */
    this.local = local;
    /** What makes two queries the same. */
    this.id = id;
    this.name = name;
    this.args = args;
    /** Whether the server has it or has been asked for it; every join asks for all of them. */
    this.known = false;
    /** @type {string | undefined} Where `result` was current, and where a resumed query goes on. */
    this.cursor = undefined;
    this.result = NOTHING;
    /** @type {QueryStatus} */
    this.status = "loading";
    /** @type {RectoError | null} */
    this.error = null;
    this.handles = 0;
    /** @type {Set<() => void>} */
    this.listeners = new Set();
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.linger = undefined;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.retry = undefined;
  }

  /** How it is asked for. */
  request() {
    return { q: this.name, args: this.args, ...(this.cursor === undefined ? {} : { since: this.cursor }) };
  }

  /** What `answer` would make of it. @param {any} answer @returns {Partial<Query>} */
  after({ mode, cursor, keys, rows, ops, error }) {
    switch (mode) {
      case "snapshot":
        return { result: adopt(this.result, { keys, rows }), cursor, status: "live", error: null };
      case "delta":
        return { result: applyOps(this.result, ops), cursor, status: "live", error: null };
      case "error":
        return refused(new RectoError(error));
      default:
        throw new Error(`unknown mode ${JSON.stringify(mode)}`);
    }
  }

  /** Takes `next` and says whether anybody could see the difference. @param {Partial<Query>} next */
  become(next) {
    const { result, status, error } = this;
    Object.assign(this, next);
    return result !== this.result || status !== this.status || error !== this.error;
  }
}

/** What a refusal makes of a query: rows that may no longer be read are gone. @param {RectoError} error */
function refused(error) {
  return { result: NOTHING, cursor: undefined, status: /** @type {const} */ ("error"), error, known: false };
}

/**
 * One holder's view of a live query; others may hold the same query.
 *
 * @template {Row} [T=Row]
 */
export class LiveQuery {
  #query;
  /** @type {(() => void) | undefined} Until it is closed. */
  #release;
  #onError;
  /** @type {Set<() => void>} */
  #ends = new Set();

  /** @param {Query} query @param {() => void} release @param {(error: unknown) => void} onError */
  constructor(query, release, onError) {
    this.#query = query;
    this.#release = release;
    this.#onError = onError;
  }

  /** The rows, in the server's order: as last known, none before the first answer. Not to be written to. */
  get data() {
    return /** @type {readonly T[]} */ (this.#query.result.rows);
  }

  /** `loading` until the first answer; `stale` while the rows may be behind; `error` when there are none to show. */
  get status() {
    return this.#query.status;
  }

  /** Why the status is `error`. */
  get error() {
    return this.#query.error;
  }

  /**
   * Calls `listener` now, unless the query is still loading, and whenever rows, status or error have changed.
   *
   * @param {(data: readonly T[], query: LiveQuery<T>) => void} listener
   * @returns {() => void}  Ends the subscription.
   */
  subscribe(listener) {
    if (this.#release === undefined) return () => {};
    const { listeners } = this.#query;
    const call = () => listener(this.data, this);
    const end = () => {
      listeners.delete(call);
      this.#ends.delete(end);
    };
    listeners.add(call);
    this.#ends.add(end);
    if (this.status !== "loading") guarded(call, this.#onError);
    return end;
  }

  /** The rows of the first answer. @returns {Promise<readonly T[]>} */
  ready() {
    return new Promise((resolve, reject) => {
      const { listeners } = this.#query;
      const check = () => {
        if (this.status === "loading" && this.#release !== undefined) return;
        listeners.delete(check);
        this.#ends.delete(check);
        if (this.status === "loading") reject(closed("the query was closed before it was answered"));
        else if (this.error) reject(this.error);
        else resolve(this.data);
      };
      listeners.add(check);
      this.#ends.add(check);
      check();
    });
  }

  /** Lets go of the query; the last holder's `close` ends it, a little later. */
  close() {
    const release = this.#release;
    if (release === undefined) return;
    this.#release = undefined;
    for (const end of [...this.#ends]) end();
    release();
  }
}

/**
 * @typedef {object} Mutation  One that was not answered yet, or whose effect has not arrived.
 * @property {{ id: string, name: string, args: any }} request
 * @property {number} sends
 * @property {{ v: number, result: any } | undefined} reply
 * @property {(result: any) => void} resolve
 * @property {(error: RectoError) => void} reject
 */

/** One connection to a server, and everything the page wants from it. Made by {@link createClient}. */
export class Client {
  #id = randomId();
  #options;
  #connection;
  /** @type {ClientStatus} */
  #status = "connecting";
  /** @type {Set<() => void>} */
  #statusListeners = new Set();
  /** @type {RectoError | undefined} Why there will be no further attempt. */
  #ended;

  /** The version all queries are at. */
  #version = 0;
  /** What the server said last of how far it is. @type {{ version: number, ageMs: number } | undefined} */
  #progress;
  /** True while the server cannot see the database, so that silence means nothing. */
  #stalled = false;
  /** True while an add or a resync is under way: one at a time, so that each finds the versions it was made for. */
  #asking = false;
  /** True from a gap in the versions until the resync that closes it; what comes in between is covered by its reply. */
  #torn = false;
  /** By local name. @type {Map<string, Query>} */
  #queries = new Map();
  #lastQuery = 0;
  /** By id, in the order they were made. @type {Map<string, Mutation>} */
  #mutations = new Map();
  #lastMutation = 0;

  /** @param {string} url @param {AllOptions} options */
  constructor(url, options) {
    this.#options = options;
    this.#connection = new Connection(url, `live:${this.#id}`, options, {
      params: () => this.#params(),
      joined: (response) => this.#joined(response),
      event: (event, payload) => this.#event(event, payload),
      progressed: (response) => this.#progressed(response),
      lost: (wasJoined) => this.#lost(wasJoined),
      refused: (error) => this.#end(error, UNAUTHORIZED.has(error.code) ? "unauthorized" : "offline"),
    });
  }

  /**
   * `connecting` until the first attempt is over, and again from a lost connection until the next attempt is;
   * `offline` while attempts keep failing, and after `close`; `unauthorized` when the server refused for good.
   */
  get status() {
    return this.#status;
  }

  /**
   * How far the server was when it was heard of last, by a change or a heartbeat: the version, and how many
   * milliseconds before that it had looked at the database. What tells a quiet database from a server that stands
   * still; where the age is above `staleMs`, queries are `stale` until it looks again.
   */
  get progress() {
    return this.#progress;
  }

  /** Calls `listener` whenever the status has changed. @param {(status: ClientStatus) => void} listener */
  onStatus(listener) {
    const call = () => listener(this.#status);
    this.#statusListeners.add(call);
    return () => void this.#statusListeners.delete(call);
  }

  /**
   * A live query. Handles with the same name and the same arguments share one.
   *
   * @template {Row} [T=Row]
   * @param {string} name
   * @param {object} [args]
   * @returns {LiveQuery<T>}
   */
  liveQuery(name, args = {}) {
    const json = canonical(args);
    const id = JSON.stringify([name, json]);
    const shared = [...this.#queries.values()].find((query) => query.id === id);
    const query = shared ?? this.#open(id, name, JSON.parse(json));
    query.handles += 1;
    clearTimeout(query.linger);
    return new LiveQuery(query, () => this.#release(query), this.#options.onError);
  }

  /**
   * Runs a mutation on the server, once, however often the connection is lost meanwhile: it is sent again under the
   * same id, which the server remembers. Resolves when this client's queries show its effect.
   *
   * @template [R=any]
   * @param {string} name
   * @param {object} [args]
   * @param {{ id?: string }} [options]  An id made by the caller; the same id twice is one mutation.
   * @returns {Promise<R>}
   * @throws {RectoError} `invalid` with `errors` by field when a changeset refused; `overloaded` when too many
   *   mutations are waiting already; `in_doubt` when the server kept failing to answer; `closed` after `close`.
   */
  mutate(name, args = {}, { id = `${this.#id}:${++this.#lastMutation}` } = {}) {
    return new Promise((resolve, reject) => {
      if (this.#ended) throw this.#ended;
      if (this.#mutations.has(id)) throw new RectoError({ code: "conflict", message: `mutation ${id} is under way` });
      if (this.#mutations.size >= this.#options.maxPending) {
        throw new RectoError({ code: "overloaded", message: "too many mutations are waiting for their answer" });
      }
      const request = { id, name, args: JSON.parse(JSON.stringify(args)) };
      /** @type {Mutation} */
      const mutation = { request, sends: 0, reply: undefined, resolve, reject };
      this.#mutations.set(id, mutation);
      if (this.#connection.joined) this.#send(mutation);
    });
  }

  /** Ends the connection for good; what is still waiting is rejected with the code `closed`. */
  close() {
    this.#end(closed("the client was closed"), "offline");
  }

  // The channel's life.

  #params() {
    const wanted = [...this.#queries.values()].filter((query) => !query.error?.terminal);
    return { proto: PROTO, client: this.#id, queries: ask(wanted) };
  }

  /** @param {any} response */
  #joined({ v, queries }) {
    // A version lower than ours is another epoch's, which says nothing about the versions of earlier replies.
    if (v < this.#version) for (const { reply } of this.#mutations.values()) if (reply) reply.v = 0;
    const strays = Object.keys(queries).filter((local) => !this.#queries.has(local));
    if (strays.length > 0) this.#connection.push("remove", { queries: strays });
    const changed = this.#take(v, queries);
    if (changed === undefined) return;
    // Before any listener can add a younger mutation.
    for (const mutation of [...this.#mutations.values()]) if (!mutation.reply) this.#send(mutation);
    this.#say("online");
    this.#publish(changed);
    this.#ask();
  }

  /** @param {any} response  Of a heartbeat; other servers than Recto's say nothing in it. */
  #progressed({ v, age }) {
    if (typeof v !== "number" || typeof age !== "number") return;
    this.#progress = { version: v, ageMs: age };
    const stalled = age > this.#options.staleMs;
    if (stalled === this.#stalled) return;
    this.#stalled = stalled;
    if (stalled) return this.#publish(this.#stale());
    if (this.#torn) return;
    const stale = [...this.#queries.values()].filter((query) => query.status === "stale");
    this.#publish(this.#commit(stale.map((query) => [query, { status: "live" }])));
  }

  /** @param {boolean} wasJoined */
  #lost(wasJoined) {
    this.#asking = this.#torn = this.#stalled = false;
    const changed = this.#stale();
    this.#say(wasJoined ? "connecting" : "offline");
    this.#publish(changed);
  }

  /** There is no way on: whoever waits is told why. @param {RectoError} error @param {ClientStatus} status */
  #end(error, status) {
    if (this.#ended) return;
    this.#ended = error;
    this.#connection.close();
    this.#asking = this.#torn = false;
    const queries = [...this.#queries.values()];
    for (const query of queries) {
      clearTimeout(query.linger);
      clearTimeout(query.retry);
    }
    // What was shown stays on show after `close`; what the server took back does not.
    const lost = error.code === "closed" ? queries.filter((query) => query.status === "loading") : queries;
    const changed = new Set([...this.#stale(), ...lost.filter((query) => query.become(refused(error)))]);
    const mutations = [...this.#mutations.values()];
    this.#mutations.clear();
    this.#say(status);
    this.#publish(changed);
    for (const { reply, resolve, reject } of mutations) reply ? resolve(reply.result) : reject(error);
  }

  /** @param {string} event @param {any} payload */
  #event(event, payload) {
    switch (event) {
      case "diff":
        return this.#diff(payload);
      case "reset":
        if (!this.#torn) this.#publish(this.#take(payload.v, payload.queries));
        return;
      // Events of a later server are none of our business.
    }
  }

  // Queries.

  /** @param {string} id @param {string} name @param {any} args */
  #open(id, name, args) {
    const query = new Query(`q${++this.#lastQuery}`, id, name, args);
    if (this.#ended) query.become(refused(this.#ended));
    this.#queries.set(query.local, query);
    // Queries opened in one turn of the page travel in one message and start at one version.
    queueMicrotask(() => this.#ask());
    return query;
  }

  /** @param {Query} query */
  #release(query) {
    query.handles -= 1;
    if (query.handles > 0) return;
    const remove = () => {
      clearTimeout(query.retry);
      this.#queries.delete(query.local);
      if (this.#connection.joined && query.known) this.#connection.push("remove", { queries: [query.local] });
    };
    // A refused query does not linger: whoever opens it again wants it asked again.
    if (query.error) remove();
    else query.linger = setTimeout(remove, this.#options.lingerMs);
  }

  /** Asks for what has to be asked for next, if anything: a repair first, then new queries. */
  #ask() {
    if (!this.#connection.joined || this.#asking) return;
    const repair = this.#torn;
    const due = (/** @type {Query} */ query) => (repair ? query.known : !query.known && !query.error);
    const queries = [...this.#queries.values()].filter(due);
    if (!repair && queries.length === 0) return;
    this.#asking = true;
    this.#connection.push(repair ? "resync" : "add", { queries: ask(queries) }, (status, response) => {
      this.#asking = false;
      if (status === "ok") this.#answered(repair, response);
      else if (repair) this.#connection.giveUp(new RectoError(response));
      else this.#publish(this.#commit(queries.map((query) => [query, refused(new RectoError(response))])));
      this.#ask();
    });
  }

  /** @param {boolean} repair @param {any} response */
  #answered(repair, { v, queries }) {
    // The answer to an add that meets a gap is dropped: the resync that follows asks for those queries too.
    if (this.#torn && !repair) return;
    this.#torn = false;
    this.#publish(this.#take(v, queries));
  }

  /** @param {{ v: number, p: number, q: Record<string, Op[]>, c: Record<string, string> }} diff */
  #diff({ v, p, q, c }) {
    if (this.#torn) return;
    if (p !== this.#version) return this.#tear();
    try {
      const next = this.#each(q, (query, ops) => ({ result: applyOps(query.result, ops) }));
      for (const [query, cursor] of this.#each(c, (_, cursor) => cursor)) query.cursor = cursor;
      this.#version = v;
      this.#publish(this.#commit(next));
      this.#progressed({ v, age: 0 });
    } catch (error) {
      // Our rows are not what the server thinks they are: ask for all of them.
      this.#options.onError(error);
      this.#forget();
      this.#tear();
    }
  }

  #tear() {
    this.#torn = true;
    this.#publish(this.#stale());
    this.#ask();
  }

  /**
   * Takes answers that bring the client to version `v`, and returns the queries that changed. Answers that make no
   * sense end the connection, and the next one starts from snapshots.
   *
   * @param {number} v
   * @param {Record<string, any>} answers
   */
  #take(v, answers) {
    try {
      const next = this.#each(answers, (query, answer) => query.after(answer));
      this.#version = v;
      return this.#commit(next);
    } catch (error) {
      this.#options.onError(error);
      this.#forget();
      this.#connection.lose();
      return undefined;
    }
  }

  /** Makes the next question ask for snapshots. */
  #forget() {
    for (const query of this.#queries.values()) query.cursor = undefined;
  }

  /**
   * The queries that `named` names, each with what `step` makes of it; names of queries that are gone are passed over.
   *
   * @template T, U
   * @param {Record<string, T>} named
   * @param {(query: Query, value: T) => U} step
   * @returns {[Query, U][]}
   */
  #each(named, step) {
    return Object.entries(named).flatMap(([local, value]) => {
      const query = this.#queries.get(local);
      return query ? [/** @type {[Query, U]} */ ([query, step(query, value)])] : [];
    });
  }

  /** Makes all changes and returns the queries in which one can be seen. @param {[Query, Partial<Query>][]} changes */
  #commit(changes) {
    return changes.flatMap(([query, change]) => {
      const seen = query.become(change);
      this.#askLater(query);
      return seen ? [query] : [];
    });
  }

  /** Asks again for a query whose refusal came with a waiting time. @param {Query} query */
  #askLater(query) {
    clearTimeout(query.retry);
    const { error } = query;
    if (!error || error.terminal || error.retryAfterMs === undefined) return;
    const again = () => {
      this.#publish(this.#commit([[query, { status: "loading", error: null }]]));
      this.#ask();
    };
    query.retry = setTimeout(again, error.retryAfterMs * (1 + Math.random()));
  }

  /** Marks every live query stale, and returns those. */
  #stale() {
    const live = [...this.#queries.values()].filter((query) => query.status === "live");
    return live.filter((query) => query.become({ status: "stale" }));
  }

  /** Tells the listeners, then resolves the mutations whose effect they have seen. @param {Iterable<Query>} changed */
  #publish(changed = []) {
    for (const { listeners } of changed) tell(listeners, this.#options.onError);
    if (this.#torn) return;
    for (const [id, { reply, resolve }] of this.#mutations) {
      if (reply === undefined || this.#version < reply.v) continue;
      this.#mutations.delete(id);
      resolve(reply.result);
    }
  }

  /** @param {ClientStatus} status */
  #say(status) {
    if (status === this.#status) return;
    this.#status = status;
    tell(this.#statusListeners, this.#options.onError);
  }

  // Mutations.

  /** @param {Mutation} mutation */
  #send(mutation) {
    const { request, reject } = mutation;
    if (mutation.sends === MAX_SENDS) {
      this.#mutations.delete(request.id);
      const message = `the server was asked ${MAX_SENDS} times and never answered; whether it was done is unknown`;
      return reject(new RectoError({ code: "in_doubt", message }));
    }
    mutation.sends += 1;
    this.#connection.push("mutate", request, (status, response) => {
      if (status === "ok") {
        mutation.reply = response;
        return this.#publish();
      }
      this.#mutations.delete(request.id);
      reject(new RectoError(response));
    });
  }
}

/** Marks `queries` as asked for and returns the question. @param {Query[]} queries */
function ask(queries) {
  for (const query of queries) query.known = true;
  return Object.fromEntries(queries.map((query) => [query.local, query.request()]));
}

/** @param {Set<() => void>} listeners @param {(error: unknown) => void} onError */
function tell(listeners, onError) {
  // A listener may end another one.
  for (const call of [...listeners]) if (listeners.has(call)) guarded(call, onError);
}

/** What a listener throws is its own affair. @param {() => void} call @param {(error: unknown) => void} onError */
function guarded(call, onError) {
  try {
    call();
  } catch (error) {
    onError(error);
  }
}

/** @param {string} message */
const closed = (message) => new RectoError({ code: "closed", message, terminal: true });

/** 96 random bits; `crypto.randomUUID` would need a secure context, which a machine on the local network is not. */
function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return `c_${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
