// One channel over one WebSocket at a time, for as long as it is wanted: connect, join, notice silence, come back.
//
// What it refuses to know: queries, mutations and versions. It hands over what the channel says and tells when the
// channel was lost; what that means is its user's business.
//
// Invariants
//   one       Nothing of an older socket, or of an older join, is handed over; after a loss no reply is.
//   bounded   Every attempt ends, by an answer or by a timeout; a silent line is noticed.
//   polite    Attempts are spread at random, and slow down while they fail.

/** RFC 6455's "policy violation", which the server uses for credentials that are no longer good. */
const POLICY_VIOLATION = 1008;

/**
 * @typedef {object} Settings
 * @property {Record<string, string | number | boolean> | (() => Record<string, string | number | boolean>)} [params]
 *   Query parameters of the socket's URL; a function is asked again at every connect.
 * @property {string | (() => string | null | undefined | Promise<string | null | undefined>)} [token]
 *   The credential. It travels as a subprotocol and not in the URL, because URLs end up in logs. A function is asked
 *   again at every connect, so an expired token can be replaced.
 * @property {new (url: string, protocols: string[]) => WebSocket} [WebSocket]  For runtimes that have none.
 * @property {number} heartbeatMs
 * @property {number} timeoutMs
 * @property {number} firstRetryMs
 * @property {number} lastRetryMs
 * @property {(error: unknown) => void} onError
 */

/**
 * @typedef {object} User  Who wants the channel.
 * @property {() => object} params  What to join with; asked again at every join, so that it can say where to go on.
 * @property {(response: any) => void} joined
 * @property {(event: string, payload: any) => void} event
 * @property {(response: any) => void} progressed  What a heartbeat was answered with.
 * @property {(wasJoined: boolean) => void} lost  There will be another attempt.
 * @property {(error: RectoError) => void} refused  There will be none.
 */

/** Why a query or a mutation was refused. `code` is for programs, `message` for people. */
export class RectoError extends Error {
  /** @param {any} refusal  The server's error object; anything else reads as an internal error. */
  constructor(refusal) {
    const { code, reason, message, errors, details, retry_after_ms, terminal } = Object(refusal);
    super(String(message ?? reason ?? code ?? "the server gave no reason"));
    this.name = "RectoError";
    /** @type {string} */
    this.code = code ?? reason ?? "internal";
    /** @type {string} */
    this.reason = reason ?? this.code;
    /** @type {Record<string, string[]>}  What is wrong with each field, when a changeset was invalid. */
    this.errors = errors ?? {};
    /** @type {any} */
    this.details = details;
    /** @type {number | undefined} */
    this.retryAfterMs = retry_after_ms;
    /** True when asking again, unchanged, cannot help. */
    this.terminal = terminal === true;
  }
}

/** A channel that is joined again whenever it was lost. */
export class Connection {
  #url;
  #topic;
  #settings;
  #user;

  /** @type {WebSocket | undefined} */
  #socket;
  /** Counts attempts, so that one that was overtaken while it waited for a token can tell. */
  #attempt = 0;
  #failures = 0;
  #joinedAt = Infinity;
  /** Whether anything was heard since the last heartbeat. */
  #heard = true;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retry;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #deadline;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #heartbeat;

  #lastRef = 0;
  #joinRef = "";
  /** What to do with the reply to each push. @type {Map<string, (status: string, response: any) => void>} */
  #replies = new Map();

  /** @param {string} url @param {string} topic @param {Settings} settings @param {User} user */
  constructor(url, topic, settings, user) {
    this.#url = socketUrl(url);
    this.#topic = topic;
    this.#settings = settings;
    this.#user = user;
    globalThis.addEventListener?.("online", this.#hurry);
    void this.#connect();
  }

  /** Whether the channel is joined. */
  get joined() {
    return this.#joinedAt !== Infinity;
  }

  /** @param {string} event @param {object} payload @param {(status: string, response: any) => void} [reply] */
  push(event, payload, reply) {
    const ref = this.#nextRef();
    if (reply) this.#replies.set(ref, reply);
    this.#write([this.#joinRef, ref, this.#topic, event, payload]);
  }

  /** Gives up the channel, if there is one, and tries again, not before `retryAfterMs` is over. */
  lose(retryAfterMs = 0) {
    const wasJoined = this.joined;
    const { firstRetryMs, lastRetryMs } = this.#settings;
    // A channel that held for a while starts the backoff afresh; one that did not must not be retried in a loop.
    if (Date.now() - this.#joinedAt > lastRetryMs) this.#failures = 0;
    this.#disconnect();
    // Full jitter: clients that lost the same server at the same moment must not come back at the same moment.
    const longest = Math.min(lastRetryMs, firstRetryMs * 2 ** this.#failures++);
    this.#retry = setTimeout(() => void this.#connect(), retryAfterMs + Math.random() * longest);
    this.#user.lost(wasJoined);
  }

  /** Does what the server's refusal asks for: ends it, or tries again later. @param {RectoError} error */
  giveUp(error) {
    if (!error.terminal) return this.lose(error.retryAfterMs);
    this.close();
    this.#user.refused(error);
  }

  /** Ends it for good. */
  close() {
    globalThis.removeEventListener?.("online", this.#hurry);
    this.#disconnect();
  }

  async #connect() {
    const attempt = ++this.#attempt;
    const { params, token, WebSocket: Socket = globalThis.WebSocket, timeoutMs, onError } = this.#settings;
    this.#retry = undefined;
    this.#deadline = setTimeout(() => this.lose(), timeoutMs);
    try {
      const credential = typeof token === "function" ? await token() : await token;
      if (attempt !== this.#attempt) return;
      const url = new URL(this.#url);
      url.searchParams.set("vsn", "2.0.0");
      const extra = typeof params === "function" ? params() : params;
      for (const [name, value] of Object.entries(extra ?? {})) url.searchParams.set(name, String(value));
      const socket = new Socket(url.href, credential ? ["phoenix", bearer(credential)] : []);
      this.#socket = socket;
      socket.onopen = () => this.#join();
      socket.onmessage = (event) => this.#receive(event.data);
      socket.onclose = (event) => {
        if (event.code !== POLICY_VIOLATION) return this.lose();
        const message = "the server ended the session";
        this.giveUp(new RectoError({ code: "unauthenticated", message, terminal: true }));
      };
      // A close event follows every error; without a listener some runtimes would throw.
      socket.onerror = () => {};
    } catch (error) {
      if (attempt !== this.#attempt) return;
      onError(error);
      this.lose();
    }
  }

  #join() {
    const ref = (this.#joinRef = this.#nextRef());
    this.#replies.set(ref, (status, response) => {
      if (status !== "ok") return this.giveUp(new RectoError(response));
      clearTimeout(this.#deadline);
      this.#joinedAt = Date.now();
      this.#user.joined(response);
    });
    this.#write([ref, ref, this.#topic, "phx_join", this.#user.params()]);
    this.#heard = true;
    this.#heartbeat = setInterval(() => this.#beat(), this.#settings.heartbeatMs);
  }

  /** Anything heard counts as life, so that a long snapshot on a slow line is not mistaken for silence. */
  #beat() {
    if (!this.#heard) return this.lose();
    this.#heard = false;
    const ref = this.#nextRef();
    this.#replies.set(ref, (_, response) => this.#user.progressed(response));
    this.#write([null, ref, "phoenix", "heartbeat", {}]);
  }

  /** @param {unknown} text */
  #receive(text) {
    this.#heard = true;
    try {
      const [joinRef, ref, topic, event, payload] = JSON.parse(String(text));
      if (topic !== this.#topic && topic !== "phoenix") return;
      if (joinRef !== null && joinRef !== this.#joinRef) return;
      switch (event) {
        case "phx_reply": {
          const reply = this.#replies.get(ref);
          this.#replies.delete(ref);
          return reply?.(payload.status, payload.response);
        }
        case "phx_error":
        case "phx_close":
          return this.lose();
        default:
          return this.#user.event(event, payload);
      }
    } catch (error) {
      // Half a frame may have been understood; only a new connection is certain to agree with the server.
      this.#settings.onError(error);
      this.lose();
    }
  }

  /** The machine found its network again: no reason to wait for the timer. */
  #hurry = () => {
    if (this.#retry === undefined) return;
    clearTimeout(this.#retry);
    void this.#connect();
  };

  #disconnect() {
    this.#attempt += 1;
    this.#joinedAt = Infinity;
    this.#replies.clear();
    clearTimeout(this.#retry);
    clearTimeout(this.#deadline);
    clearInterval(this.#heartbeat);
    this.#retry = undefined;
    const socket = this.#socket;
    if (!socket) return;
    this.#socket = undefined;
    // A dead line may take minutes to report its own close; nobody waits for it.
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  #nextRef() {
    return String(++this.#lastRef);
  }

  /** @param {[string | null, string, string, string, object]} frame */
  #write(frame) {
    this.#socket?.send(JSON.stringify(frame));
  }
}

/** The address of the WebSocket below the mount point `url`. @param {string} url */
function socketUrl(url) {
  const full = new URL(url, globalThis.location?.href);
  full.protocol = full.protocol.replace(/^http/, "ws");
  full.pathname = `${full.pathname.replace(/\/$/, "")}/websocket`;
  return full;
}

/** How Phoenix carries `token` among the subprotocols; in base64url, as `/` is illegal there. @param {string} token */
function bearer(token) {
  const base64 = btoa(String.fromCharCode(...new TextEncoder().encode(token)));
  return `base64url.bearer.phx.${base64.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")}`;
}
