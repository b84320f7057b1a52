// What people build by hand: a trigger says which room changed, the server asks for the room's newest messages
// once, however many watch, and sends everybody the whole answer: `node requery.mjs DATABASE_URL DIRECTORY`.
//
// A room that changes again while it is asked about is asked about once more afterwards.
import pg from "pg";
import { WebSocketServer } from "ws";

const [database] = process.argv.slice(2);
const SQL = `select id, room_id, author, body, inserted_at from messages
  where room_id = $1 order by inserted_at desc, id desc limit 50`;

const pool = new pg.Pool({ connectionString: database, max: 4 });
await pool.query(`
  create function tell_room() returns trigger language plpgsql as
    $$ begin perform pg_notify('room', new.room_id::text); return null; end $$;
  create trigger tell_room after insert or update or delete on messages for each row execute function tell_room()`);

const answer = async (room) => {
  const { rows } = await pool.query({ name: "latest", text: SQL, values: [room] });
  return JSON.stringify(rows);
};

const rooms = new Map();
const changed = async (name) => {
  const room = rooms.get(name);
  if (!room) return;
  if (room.isAsking) {
    room.isStale = true;
    return;
  }
  room.isAsking = true;
  do {
    room.isStale = false;
    const text = await answer(name);
    for (const socket of room.sockets) socket.send(text);
  } while (room.isStale);
  room.isAsking = false;
};

const listener = new pg.Client({ connectionString: database });
await listener.connect();
listener.on("notification", ({ payload }) => changed(payload));
await listener.query("listen room");

const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
server.on("connection", async (socket, request) => {
  const name = request.url.slice(1);
  if (!rooms.has(name)) rooms.set(name, { sockets: new Set(), isAsking: false, isStale: false });
  const { sockets } = rooms.get(name);
  sockets.add(socket);
  socket.on("close", () => sockets.delete(socket));
  socket.send(await answer(name));
});
server.on("listening", () => console.log(`ready 127.0.0.1:${server.address().port} ${process.pid}`));
