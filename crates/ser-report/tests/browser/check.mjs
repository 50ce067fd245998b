// Opens HTML files in headless Chromium, in light and in dark, on a wide and on a narrow screen, and fails if
// - the console gets a message, or anything is requested but the file itself,
// - axe-core finds a violation, a figure has no alternative text, or a player does not play,
// - the first Tab does not reach the link that skips to the content,
// - texts of a figure overlap or stick out of it,
// - a file has 3 MB or more.
// Usage: check.mjs FILE...; SCREENSHOTS=DIR keeps a picture of each.

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";

const MOST_BYTES = 3e6;
// A page takes a few seconds; a busy machine may take its time.
const SECONDS = 900;
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

// Chromium's debugging protocol: JSON messages that end in a zero byte, through two pipes.
const profile = mkdtempSync(join(tmpdir(), "browser-check-"));
const browser = spawn(
  "chromium",
  [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    "--autoplay-policy=no-user-gesture-required",
    "--remote-debugging-pipe",
    `--user-data-dir=${profile}`,
    "about:blank",
  ],
  { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] },
);
let lastId = 0;
let received = "";
const answers = new Map();
const listeners = new Set();
browser.stdio[4].setEncoding("utf8").on("data", (text) => {
  const messages = (received + text).split("\0");
  received = messages.pop();
  for (const message of messages.map((message) => JSON.parse(message))) {
    if (message.id) {
      const { resolve, reject } = answers.get(message.id);
      answers.delete(message.id);
      message.error ? reject(new Error(message.error.message)) : resolve(message.result);
    } else {
      listeners.forEach((listener) => listener(message));
    }
  }
});

function send(method, params = {}, sessionId = undefined) {
  const id = ++lastId;
  browser.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
  return new Promise((resolve, reject) => answers.set(id, { resolve, reject }));
}

// Runs in the page: what is wrong with its figures and players.
async function inspect() {
  const faults = [];
  for (const svg of document.querySelectorAll("svg.figure")) {
    const label = svg.getAttribute("aria-label") ?? "";
    if (svg.getAttribute("role") !== "img" || label.length < 10) faults.push(`figure without alternative text: ${label}`);
    const frame = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll("text")].map((text) => [text, text.getBoundingClientRect()]);
    texts.forEach(([text, box], index) => {
      if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 || box.bottom > frame.bottom + 1) {
        faults.push(`${label.slice(0, 40)}: "${text.textContent}" sticks out`);
      }
      // Boxes of turned text are larger than it: only what runs straight or upright is compared.
      const isTurned = (text) => /rotate\((?!-?90\))/.test(text.getAttribute("transform") ?? "");
      for (const [other, otherBox] of texts.slice(index + 1)) {
        const across = Math.min(box.right, otherBox.right) - Math.max(box.left, otherBox.left);
        const down = Math.min(box.bottom, otherBox.bottom) - Math.max(box.top, otherBox.top);
        // Boxes are higher than the letters in them.
        if (across > 1 && down > 4 && !isTurned(text) && !isTurned(other)) {
          faults.push(`${label.slice(0, 40)}: "${text.textContent}" and "${other.textContent}" overlap`);
        }
      }
    });
  }
  for (const image of document.querySelectorAll("img")) {
    if (!image.alt) faults.push("image without alternative text");
  }
  for (const audio of document.querySelectorAll("audio")) {
    const name = audio.getAttribute("aria-label");
    if (!audio.controls || !name) faults.push(`player without controls or name: ${name}`);
    try {
      audio.muted = true;
      await audio.play();
      if (!(audio.duration > 0)) faults.push(`player ${name} has nothing to play`);
    } catch (error) {
      faults.push(`player ${name} does not play: ${error}`);
    }
  }
  return faults;
}

async function check(file, scheme, width) {
  const url = pathToFileURL(file).href;
  const { targetId } = await send("Target.createTarget", { url: "about:blank" });
  const { sessionId } = await send("Target.attachToTarget", { targetId, flatten: true });
  const page = (method, params) => send(method, params, sessionId);
  const faults = [];
  let loaded;
  const load = new Promise((resolve) => (loaded = resolve));
  const listener = ({ method, params, sessionId: from }) => {
    if (from !== sessionId) return;
    if (method === "Page.loadEventFired") loaded();
    if (method === "Runtime.consoleAPICalled") faults.push(`console: ${JSON.stringify(params.args)}`);
    if (method === "Runtime.exceptionThrown") faults.push(`exception: ${params.exceptionDetails.text}`);
    if (method === "Log.entryAdded") faults.push(`log: ${params.entry.text}`);
    if (method === "Network.requestWillBeSent" && params.request.url !== url && !params.request.url.startsWith("data:")) {
      faults.push(`request: ${params.request.url}`);
    }
  };
  listeners.add(listener);
  for (const domain of ["Page", "Runtime", "Log", "Network"]) await page(`${domain}.enable`);
  await page("Emulation.setDeviceMetricsOverride", { width, height: 900, deviceScaleFactor: 1, mobile: false });
  await page("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
  await page("Page.navigate", { url });
  await load;

  const evaluate = async (expression) => {
    const { result, exceptionDetails } = await page("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  };
  for (const type of ["keyDown", "keyUp"]) {
    await page("Input.dispatchKeyEvent", { type, key: "Tab", code: "Tab", windowsVirtualKeyCode: 9 });
  }
  if (!(await evaluate("document.activeElement.matches('.skip')"))) faults.push("the first Tab does not reach the skip link");
  await evaluate("document.activeElement.blur()");
  if (process.env.SCREENSHOTS) {
    const { data } = await page("Page.captureScreenshot", { captureBeyondViewport: true });
    writeFileSync(join(process.env.SCREENSHOTS, `${basename(file, ".html")}-${scheme}-${width}.png`), data, "base64");
  }
  faults.push(...(await evaluate(`(${inspect})()`)));
  // Colours, roles, names, headings, landmarks, focus: all of axe's rules, best practices too.
  await evaluate(axe);
  const violations = await evaluate("axe.run().then(({ violations }) => violations)");
  for (const { id, help, nodes } of violations) {
    faults.push(`axe: ${id}: ${help}: ${nodes.slice(0, 3).map(({ target }) => target.join(" ")).join(", ")}`);
  }
  listeners.delete(listener);
  await send("Target.closeTarget", { targetId });
  return faults;
}

const limit = setTimeout(() => {
  console.error(`no answer from Chromium within ${SECONDS} s`);
  browser.kill();
  process.exit(1);
}, SECONDS * 1000);
let failures = 0;
for (const file of process.argv.slice(2)) {
  const { size } = statSync(file);
  const faults = size < MOST_BYTES ? [] : [`${size} bytes; ${MOST_BYTES} are too many`];
  for (const [scheme, width] of [["light", 1280], ["dark", 1280], ["light", 400]]) {
    faults.push(...(await check(file, scheme, width)).map((fault) => `${scheme}, ${width} px: ${fault}`));
  }
  console.log(`${basename(file)}: ${size} bytes, ${faults.length} faults`);
  faults.forEach((fault) => console.log(`  ${fault}`));
  failures += faults.length;
}
clearTimeout(limit);
const closed = new Promise((resolve) => browser.on("exit", resolve));
await send("Browser.close");
await closed;
rmSync(profile, { recursive: true, force: true });
process.exit(failures === 0 ? 0 : 1);
