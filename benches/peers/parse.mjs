// Parse Server on PostgreSQL with LiveQuery: `node parse.mjs DATABASE_URL DIRECTORY`.
//
// It sees no writer but itself, so messages are inserted through its own REST interface.
import { createServer } from "node:http";
import express from "express";
import { ParseServer } from "parse-server";

const [database] = process.argv.slice(2);
const app = express();
const server = createServer(app);
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const address = `127.0.0.1:${server.address().port}`;

const parse = new ParseServer({
  databaseURI: database,
  appId: "bench",
  logsFolder: null,
  masterKey: "bench",
  serverURL: `http://${address}/parse`,
  liveQuery: { classNames: ["Message"] },
  startLiveQueryServer: false,
  allowClientClassCreation: true,
  logsFolder: null,
  silent: true,
  logLevel: "error",
  verbose: false,
});
await parse.start();
app.use("/parse", parse.app);
await ParseServer.createLiveQueryServer(server);
console.log(`ready ${address} ${process.pid}`);
