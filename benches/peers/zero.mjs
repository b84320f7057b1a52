// zero-cache with one named query, `latest(room)`: `node zero.mjs DATABASE_URL DIRECTORY`.
//
// The query's AST is made by an endpoint of ours, as Zero's documentation asks since 1.0. One sync worker,
// since the machine has two processors and PostgreSQL, the load generator and the replicator want some, too.
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { join } from "node:path";

const [database, directory] = process.argv.slice(2);

const latest = (room) => ({
  table: "messages",
  where: { type: "simple", op: "=", left: { type: "column", name: "room_id" }, right: { type: "literal", value: room } },
  orderBy: [["inserted_at", "desc"], ["id", "desc"]],
  limit: 50,
});

const body = async (request) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString());
};

const queries = createServer(async (request, response) => {
  const [, wanted] = await body(request);
  const answered = wanted.map(({ id, name, args: [room] }) => ({ id, name, ast: latest(room) }));
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify(["transformed", answered]));
});
await new Promise((listening) => queries.listen(0, "127.0.0.1", listening));

// Zero takes the port after its own, too. Those that the system gives to clients begin above these.
const isFree = (port) =>
  new Promise((found) => {
    const server = createServer();
    server.once("error", () => found(false));
    server.listen(port, "127.0.0.1", () => server.close(() => found(true)));
  });
let port;
do port = 12_000 + Math.floor(Math.random() * 7_000);
while (!(await isFree(port)) || !(await isFree(port + 1)));

const cache = spawn(process.execPath, ["node_modules/@rocicorp/zero/out/zero/src/cli.js"], {
  cwd: import.meta.dirname,
  stdio: ["ignore", "inherit", "inherit"],
  env: {
    ...process.env,
    NODE_ENV: "production",
    DO_NOT_TRACK: "1",
    ZERO_UPSTREAM_DB: database,
    ZERO_REPLICA_FILE: join(directory, "replica.db"),
    ZERO_PORT: String(port),
    ZERO_NUM_SYNC_WORKERS: "1",
    ZERO_QUERY_URL: `http://127.0.0.1:${queries.address().port}/`,
    ZERO_ADMIN_PASSWORD: "bench",
    ZERO_LOG_LEVEL: "error",
    ZERO_ENABLE_TELEMETRY: "false",
  },
});
cache.on("exit", (code) => process.exit(code ?? 1));

const ready = () => fetch(`http://127.0.0.1:${port}/`).then((response) => response.ok, () => false);
while (!(await ready())) await new Promise((pause) => setTimeout(pause, 100));
console.log(`ready 127.0.0.1:${port} ${process.pid}`);
