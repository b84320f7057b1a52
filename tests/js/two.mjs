// Two server processes on one database, at ONE and OTHER: what is written through either reaches the clients of both,
// each commit once, and both end with the same rows.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { createClient } from "../../client/recto.js";

const require = createRequire(new URL("../../client/package.json", import.meta.url));
const WebSocket = require("ws");

const BOUND_MS = 10_000;
const POSTS = 40;

/** Waits until `condition` holds after a change of `query`, or says what it was waiting for. */
function until(what, query, condition) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      stop();
      reject(new Error(`gave up waiting for ${what}; the rows are ${JSON.stringify(query.data)}`));
    }, BOUND_MS);
    const look = () => {
      if (condition(query.data)) {
        clearTimeout(timer);
        stop();
        resolve();
      }
    };
    const stop = query.subscribe(look);
    look();
  });
}

const clients = [process.env.ONE, process.env.OTHER].map((url) => createClient(url, { WebSocket }));
const [one, other] = clients;

const room = await one.mutate("rooms.create", { name: `two ${process.pid}` });
const messages = clients.map((client) => client.liveQuery("messages.latest", { room_id: room.id }));
const rooms = clients.map((client) => client.liveQuery("rooms.all"));
await Promise.all([...messages, ...rooms].map((query) => query.ready()));
console.log("ok: both processes answer");

await one.mutate("messages.post", { room_id: room.id, author: "one", body: "through one" });
await until("the other process's client to hear", messages[1], (rows) => rows.length === 1);
console.log("ok: a write through one process reaches the clients of the other");

const posts = Array.from({ length: POSTS }, (_, number) =>
  clients[number % 2].mutate("messages.post", { room_id: room.id, author: "both", body: `number ${number}` }),
);
await Promise.all(posts);
for (const query of messages) {
  await until("all posts", query, (rows) => rows.length === POSTS + 1);
}
assert.deepEqual(messages[0].data, messages[1].data, "both processes show the same rows in the same order");
assert.equal(new Set(messages[0].data.map((row) => row.id)).size, POSTS + 1, "no row is doubled");
console.log("ok: writes through both at once end as the same rows in the same order");

for (const query of rooms) {
  const counted = (rows) => rows.find((row) => row.id === room.id)?.message_count === POSTS + 1;
  await until("the room's count", query, counted);
}
console.log("ok: so do the counts");
clients.forEach((client) => client.close());
