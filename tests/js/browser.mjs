// The chat page in two real browsers, against the real server and database; started by a test of the Rust side.
//
//   CHAT_BIN    the chat server                    CHAT_ARGS  JSON array: its arguments, without the port
//   INSERT_CMD  JSON array: a command that runs the SQL text given as one more argument and prints what it selects
//   SHOTS       a directory for screenshots        CHROMIUM   the browser, if it is not where it usually is
//
// Prints one line for everything it checks; the first thing that does not come true within a bound ends it, with what
// was awaited and what the pages showed. Nothing sleeps: every wait has a condition.

import { execFile, spawn } from "node:child_process";
import { accessSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";

const require = createRequire(new URL("../../client/package.json", import.meta.url));
const { chromium } = require("playwright-core");

/** Longer than anything here takes on a slow machine that builds something else meanwhile. */
const BOUND_MS = 15_000;

const env = (name) => process.env[name] ?? die(`${name} is not set`);
const shots = env("SHOTS");
mkdirSync(shots, { recursive: true });

function die(message) {
  console.error(`FAILED: ${message}`);
  process.exit(1);
}

// The server.

let server;
let log = "";

/** Starts the server on `port`, where 0 means any, and returns the address that it prints. */
async function start(port) {
  server = spawn(env("CHAT_BIN"), [...JSON.parse(env("CHAT_ARGS")), "--port", String(port)]);
  server.stderr.on("data", (data) => (log = (log + data).slice(-4_000)));
  let out = "";
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`the server printed no address, but:\n${out}${log}`)), BOUND_MS);
    server.on("error", reject);
    server.on("exit", (code) => reject(new Error(`the server exited with ${code}:\n${out}${log}`)));
    server.stdout.on("data", (data) => {
      out += data;
      const address = /http:\/\/127\.0\.0\.1:(\d+)/.exec(out);
      if (!address) return;
      clearTimeout(timer);
      resolve({ address: address[0], port: Number(address[1]) });
    });
  });
}

/** Ends the server as a power cut would. */
async function kill() {
  server.removeAllListeners("exit");
  const exited = new Promise((resolve) => server.once("exit", resolve));
  server.kill("SIGKILL");
  await exited;
}

// The database, past the server.

/** Runs `text` and returns the lines it selects. */
async function sql(text) {
  const [command, ...args] = JSON.parse(env("INSERT_CMD"));
  const deadline = Date.now() + BOUND_MS;
  for (;;) {
    try {
      const { stdout } = await promisify(execFile)(command, [...args, text]);
      return stdout.split("\n").filter((line) => line !== "");
    } catch (error) {
      // SQLite has one writer at a time, and its shell does not wait for it; nothing was done.
      if (!/locked|busy/.test(error.stderr) || Date.now() > deadline) throw error;
    }
  }
}

const insert = (room, author, body) =>
  sql(`insert into messages(room_id, author, body) values (${room}, '${author}', '${body}')`);

/** The ids of the messages that the page of `room` should show, oldest first. */
async function stored(room) {
  const order = "order by inserted_at desc, id desc";
  return (await sql(`select id from messages where room_id = ${room} ${order} limit 50`)).map(Number).reverse();
}

// The pages.

const pages = [];
const it = (page, id) => page.getByTestId(id);

/** What a page shows, read in one go. */
const look = () => {
  const all = (id) => [...document.querySelectorAll(`[data-testid="${id}"]`)];
  const text = (id) => all(id).map((element) => element.textContent);
  const errors = ["error-author", "error-body", "error-name"].map((id) => [id, text(id)[0]]);
  return {
    status: all("status")[0]?.dataset.status,
    room: Number(document.querySelector('[data-testid="room"][aria-current]')?.dataset.roomId),
    counts: Object.fromEntries(all("room").map((room, at) => [room.dataset.roomId, Number(text("room-count")[at])])),
    ids: all("message").map((message) => Number(message.dataset.messageId)),
    authors: text("message-author"),
    bodies: text("message-body"),
    errors: Object.fromEntries(errors.filter(([, error]) => error)),
  };
};

/** Waits until what `page` shows makes `condition` true, and returns what it shows. */
async function shows(page, what, condition) {
  const deadline = Date.now() + BOUND_MS;
  for (;;) {
    const seen = await page.evaluate(look);
    if (await condition(seen)) return seen;
    if (Date.now() > deadline) throw new Error(`page ${page.name} never showed ${what}`);
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(resolve)));
  }
}

const allShow = (what, condition) => Promise.all(pages.map((page) => shows(page, what, condition)));
const shoot = (page, name) => page.screenshot({ path: join(shots, `${name}.png`) });
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/** Types and sends a message, and waits until the page has let go of it. */
async function post(page, body) {
  await it(page, "body-input").fill(body);
  await it(page, "body-input").press("Enter");
  await page.waitForFunction(() => document.querySelector('[data-testid="body-input"]').value === "", undefined, {
    timeout: BOUND_MS,
  });
}

/** Waits until both pages show what the database holds in `room`, in that order, and count as many. */
async function agree(room) {
  const ids = await stored(room);
  const [count] = await sql(`select count(*) from messages where room_id = ${room}`);
  await allShow(`messages ${ids} and a count of ${count}`, (seen) => {
    return same(seen.ids, ids) && seen.counts[room] === Number(count);
  });
  return ids;
}

async function openPage(browser, name, address) {
  const context = await browser.newContext({ viewport: { width: 1100, height: 720 } });
  const page = Object.assign(await context.newPage(), { name, faults: [] });
  page.on("pageerror", (error) => page.faults.push(String(error)));
  await page.goto(address, { timeout: BOUND_MS });
  pages.push(page);
  return page;
}

function findChromium() {
  const folders = ["/usr/bin", ...(process.env.PATH ?? "").split(delimiter)];
  const usual = folders.map((folder) => join(folder, "chromium"));
  const present = (path) => {
    try {
      accessSync(path);
      return true;
    } catch {
      return false;
    }
  };
  return process.env.CHROMIUM ?? usual.find(present) ?? die("there is no chromium; set CHROMIUM");
}

// The checks, in the order of a visit.

async function check(what, run) {
  try {
    await run();
  } catch (error) {
    throw new Error(`${what}: ${error.message}`, { cause: error });
  }
  console.log(`ok: ${what}`);
}

async function visit(browser) {
  let { address, port } = await start(0);
  const ada = await openPage(browser, "ada", address);
  const bob = await openPage(browser, "bob", address);
  let room;

  await check("both pages load and are live", () => allShow("a live status", (seen) => seen.status === "live"));

  await check("a room without a name shows its error at the field", async () => {
    await it(ada, "room-create").click();
    await shows(ada, "an error at the room's name", (seen) => seen.errors["error-name"]);
    await shoot(ada, "1-error-name");
  });

  await check("a room made on one page appears on the other", async () => {
    const before = Object.keys((await bob.evaluate(look)).counts);
    await it(ada, "room-name-input").fill("visitors");
    await it(ada, "room-create").click();
    const { counts } = await shows(bob, "a new room", (seen) => Object.keys(seen.counts).length > before.length);
    room = Number(Object.keys(counts).find((id) => !before.includes(id)));
    for (const page of pages) {
      await page.locator(`[data-testid="room"][data-room-id="${room}"]`).click();
      await shows(page, `room ${room} and no messages`, (seen) => seen.room === room && seen.ids.length === 0);
      await it(page, "author-input").fill(page.name);
    }
    await shoot(ada, "2-empty-room");
  });

  await check("a message appears on the other page, as the text that it is", async () => {
    const body = "hello <b>bob</b>\n& welcome 🦀";
    await it(ada, "body-input").fill(body);
    await it(ada, "send").click();
    const seen = await shows(bob, "the message", ({ ids }) => ids.length === 1);
    if (seen.bodies[0] !== body || seen.authors[0] !== "ada") throw new Error(`it reads ${JSON.stringify(seen)}`);
    await post(bob, "hello ada");
    await agree(room);
  });

  await check("a row inserted past the server appears on both, and the count moves", async () => {
    await insert(room, "shell", "hello from outside");
    await agree(room);
    await shoot(ada, "3-light");
    await bob.emulateMedia({ colorScheme: "dark" });
    await shoot(bob, "3-dark");
  });

  await check("a message that is too long shows its error at the field, and stays there", async () => {
    await it(ada, "body-input").fill("x".repeat(2001));
    await it(ada, "send").click();
    await shows(ada, "an error at the body", (seen) => seen.errors["error-body"]);
    await shoot(ada, "4-error-body");
    const [invalid, length] = await it(ada, "body-input").evaluate((field) => [field.ariaInvalid, field.value.length]);
    if (invalid !== "true" || length !== 2001) throw new Error(`aria-invalid is ${invalid}, ${length} characters left`);
    await it(ada, "body-input").fill("");
  });

  await check("a message without an author shows its error at the field", async () => {
    await it(bob, "author-input").fill(" ");
    await it(bob, "body-input").fill("who am I");
    await it(bob, "send").click();
    await shows(bob, "an error at the author", (seen) => seen.errors["error-author"]);
    await shoot(bob, "5-error-author-dark");
    await it(bob, "author-input").fill("bob");
    await it(bob, "body-input").fill("");
    await agree(room);
  });

  await check("a deleted message leaves both pages", async () => {
    const [first] = await stored(room);
    const message = bob.locator(`[data-testid="message"][data-message-id="${first}"]`);
    await message.hover();
    await message.getByTestId("delete").click();
    await allShow(`no message ${first}`, (seen) => !seen.ids.includes(first));
    await agree(room);
  });

  await check("when the server is killed, both pages say so and keep what they show", async () => {
    const ids = await stored(room);
    await kill();
    const stale = (seen) => ["stale", "offline"].includes(seen.status) && same(seen.ids, ids);
    await allShow("a stale or offline status over the same messages", stale);
    await allShow("an offline status", (seen) => seen.status === "offline");
    await shoot(ada, "6-offline");
  });

  await check("they come back by themselves with what they missed, and send what was written once", async () => {
    for (const n of [1, 2, 3]) await insert(room, "shell", `while you were out, ${n}`);
    await it(ada, "body-input").fill("written offline");
    await it(ada, "send").click();
    ({ address, port } = await start(port));
    await allShow("a live status", (seen) => seen.status === "live");
    await shows(bob, "what was written offline", ({ bodies }) => bodies.includes("written offline"));
    const seen = await shows(ada, "it too", ({ bodies }) => bodies.includes("written offline"));
    await agree(room);
    const missed = seen.bodies.filter((body) => body.startsWith("while you were out") || body === "written offline");
    if (missed.length !== 4) throw new Error(`the page shows ${JSON.stringify(missed)}`);
  });

  await check("thirty quick messages from both pages at once: both lists are the database's", async () => {
    const many = async (page) => {
      for (let n = 1; n <= 15; n += 1) await post(page, `${page.name} ${n}`);
    };
    await Promise.all(pages.map(many));
    const ids = await agree(room);
    if (ids.length < 30) throw new Error(`the database holds ${ids.length} messages`);
    const newest = it(ada, "message").last();
    const inView = await newest.evaluate((message) => message.getBoundingClientRect().bottom <= innerHeight);
    if (!inView) throw new Error("the newest message is not in view");
    await shoot(ada, "7-many");
    await ada.setViewportSize({ width: 390, height: 780 });
    await shoot(ada, "7-mobile");
    await bob.setViewportSize({ width: 390, height: 780 });
    await shoot(bob, "7-mobile-dark");
  });

  await check("no page threw anything", () => {
    const faults = pages.flatMap((page) => page.faults);
    if (faults.length > 0) throw new Error(faults.join("\n"));
  });
}

const browser = await chromium.launch({
  executablePath: findChromium(),
  args: [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});
try {
  await visit(browser);
  console.log("all is well");
} catch (error) {
  process.exitCode = 1;
  console.error(`FAILED: ${error.message}`);
  for (const page of pages) {
    console.error(`page ${page.name}: ${JSON.stringify(await page.evaluate(look).catch(String))}`);
    console.error(`page ${page.name} threw: ${page.faults.join("\n") || "nothing"}`);
    await shoot(page, `failed-${page.name}`).catch(() => {});
  }
  if (log) console.error(`the server's log ends with:\n${log}`);
} finally {
  await browser.close();
  server?.kill("SIGKILL");
}
