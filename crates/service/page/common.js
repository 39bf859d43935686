// What every view needs: asking the service, making elements, writing numbers and times.

// --- Asking ---------------------------------------------------------------------------------------

const TOKEN = "verdict-token";
let inMemory = null; // Where the browser keeps no session.

export const token = {
  get() {
    try { return sessionStorage.getItem(TOKEN) ?? inMemory; } catch { return inMemory; }
  },
  set(value) {
    inMemory = value;
    try { sessionStorage.setItem(TOKEN, value); } catch { /* It stays in memory. */ }
  },
  forget() {
    inMemory = null;
    try { sessionStorage.removeItem(TOKEN); } catch { /* It was in memory only. */ }
  },
};

/** An answer that is none: `status` is 0 where nothing answered. */
export class Problem extends Error {
  constructor(status, code, detail, retryAfter = 0) {
    super(detail);
    Object.assign(this, { status, code, retryAfter });
  }
}

const PATIENCE_MS = 15_000;

/** Asks the service; throws a `Problem` unless it answers with success. */
export async function ask(path, { method = "GET", headers = {}, signal, endless = false } = {}) {
  const secret = token.get();
  const sent = { Accept: "application/json", ...headers };
  if (secret) sent.Authorization = `Bearer ${secret}`;
  if (method === "POST") sent["Content-Type"] = "application/json";
  const signals = [signal, endless ? null : AbortSignal.timeout(PATIENCE_MS)].filter(Boolean);
  let response;
  try {
    response = await fetch(path, {
      method, headers: sent, cache: "no-store", credentials: "same-origin",
      body: method === "POST" ? "{}" : undefined,
      signal: signals.length ? AbortSignal.any(signals) : undefined,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0, "unreachable", "the service does not answer");
  }
  if (response.ok) return response;
  const body = await response.json().catch(() => ({}));
  const detail = body.detail ?? body.title ?? `the service answered ${response.status}`;
  throw new Problem(response.status, body.code ?? "", detail, Number(response.headers.get("Retry-After")) || 0);
}

export async function askJson(path, options) {
  const response = await ask(path, options);
  try {
    return await response.json();
  } catch (error) {
    if (options?.signal?.aborted) throw error;
    throw new Problem(0, "unreadable", "the service's answer was cut off");
  }
}

/** Calls `each` with every event of a job after `after`, as it happens; returns when the stream ends. */
export async function stream(path, after, signal, each) {
  const headers = { Accept: "text/event-stream", "Last-Event-ID": String(after) };
  const response = await ask(path, { headers, signal, endless: true });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let pending = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (pending + value).split(/\r?\n\r?\n/);
    pending = blocks.pop();
    for (const block of blocks) {
      const lines = block.split(/\r?\n/).filter((line) => line.startsWith("data:"));
      if (lines.length) each(JSON.parse(lines.map((line) => line.slice(5)).join("\n")));
    }
  }
}

let known = null;
/** The models, asked for once; again if it failed. */
export function models(again = false) {
  if (!known || again) {
    known = askJson("/v1/models").then((answer) => answer.models);
    known.catch(() => { known = null; });
  }
  return known;
}

// --- Elements -------------------------------------------------------------------------------------

export const $ = (id) => document.getElementById(id);

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

/** An element; whatever is text becomes a text node. */
export const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
export const svg = (tag, attributes, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Puts `make()` in a node unless it shows the same `signature` already. */
export function put(node, signature, make) {
  if (node.shown === signature) return false;
  node.replaceChildren(...[make()].flat().filter((child) => child !== null && child !== undefined));
  node.shown = signature;
  return true;
}

/** Says a change to those who can't see it. */
export function tell(text) {
  setText($("told"), text);
}

export function copyButton(text, what) {
  if (!navigator.clipboard) return null;
  const button = el("button", { type: "button", class: "copy", "aria-label": `Copy ${what}`, title: `Copy ${what}` }, "copy");
  button.addEventListener("click", async () => {
    const done = await navigator.clipboard.writeText(text).then(() => true, () => false);
    button.textContent = done ? "copied" : "failed";
    setTimeout(() => { button.textContent = "copy"; }, 1500);
  });
  return button;
}

// --- States ---------------------------------------------------------------------------------------

export const STATES = {
  queued: "stored; waits for a worker",
  proving: "a worker makes the proof",
  proved: "the proof is made and stored",
  submitted: "its transaction is signed and sent",
  included: "its transaction is in a block that is not final yet",
  finalized: "recorded on chain, for good",
  rejected: "refused, and not tried again unless somebody asks",
  dropped: "given up without a refusal",
  cancelled: "cancelled on request",
};

/** Whether nothing happens to a job any more unless somebody asks for it. */
export const isOver = (job) =>
  ["finalized", "rejected", "dropped", "cancelled"].includes(job.state) || (job.state === "proved" && job.kind === "proof");

export const jobHash = (job) => `#/jobs/${encodeURIComponent(job.id)}`;

// Every state has a shape of its own.
const MARKS = {
  queued: [["circle", { cx: 7, cy: 7, r: 4.6, class: "hollow" }]],
  proving: [["circle", { cx: 7, cy: 7, r: 4.6, class: "hollow" }], ["path", { d: "M7 2.4a4.6 4.6 0 0 1 0 9.2z" }]],
  proved: [["path", { d: "M7 1.2 12.8 7 7 12.8 1.2 7z" }]],
  submitted: [["path", { d: "M7 2.6v9M3.2 6.4 7 2.6l3.8 3.8", class: "stroke" }]],
  included: [["rect", { x: 2.4, y: 2.4, width: 9.2, height: 9.2, class: "hollow" }], ["rect", { x: 5, y: 5, width: 4, height: 4 }]],
  finalized: [["path", { d: "M2.2 7.4 5.6 10.8 11.8 3.4", class: "stroke" }]],
  rejected: [["path", { d: "M3 3l8 8M11 3l-8 8", class: "stroke" }]],
  dropped: [["path", { d: "M1.8 3h10.4L7 12z" }]],
  cancelled: [["circle", { cx: 7, cy: 7, r: 4.6, class: "hollow" }], ["path", { d: "M3.8 10.2l6.4-6.4", class: "stroke" }]],
};

export const mark = (state) =>
  svg("svg", { class: "mark", viewBox: "0 0 14 14", width: 14, height: 14, "aria-hidden": "true" },
    (MARKS[state] ?? []).map(([tag, attributes]) => svg(tag, attributes)));

export const stateTag = (state) => el("span", { class: "state", "data-s": state, title: STATES[state] ?? null }, mark(state), state);

// --- Numbers and times ----------------------------------------------------------------------------

const GROUPED = new Intl.NumberFormat("en-US");
const VALUE = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 12 });
const FEE = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 4, maximumFractionDigits: 18 });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
export const NONE = "–";

export const count = (n) => (n === null || n === undefined ? NONE : GROUPED.format(n));
export const value = (n) => (n === null || n === undefined ? NONE : VALUE.format(n));
export const ether = (n) => (n === null || n === undefined ? NONE : FEE.format(n));
export const small = (n) => (n === 0 ? "0" : n.toExponential(1).replace("e+", "e").replace(/e0$/, ""));

/** An integer of `decimals` decimals, written out; exact. */
export function scaled(text, decimals) {
  const negative = text.startsWith("-");
  const digits = text.replace("-", "").padStart(decimals + 1, "0");
  const cut = digits.length - decimals;
  const whole = GROUPED.format(BigInt(digits.slice(0, cut)));
  return (negative ? "-" : "") + whole + (decimals ? `.${digits.slice(cut)}` : "");
}

export const weiToEther = (wei) => scaled(wei, 18).replace(/\.?0+$/, "") || "0";

export function duration(ms) {
  if (ms === null || ms === undefined) return NONE;
  const t = Math.max(0, ms);
  if (t < 999.5) return `${Math.round(t)} ms`;
  if (t < 59_950) return `${(t / 1000).toFixed(1)} s`;
  const s = Math.round(t / 1000);
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3600)} h`;
}

export const clock = (ms, fine = false) => CLOCK.format(ms) + (fine ? `.${String(ms % 1000).padStart(3, "0")}` : "");
export const absolute = (ms) => `${DAY.format(ms)}, ${clock(ms)}`;

function coarse(ms) {
  const s = Math.round(ms / 1000);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  return s < 86_400 ? `${Math.floor(s / 3600)} h` : `${Math.floor(s / 86_400)} d`;
}

export function relative(ms, now = Date.now()) {
  const away = now - ms;
  if (Math.abs(away) < 1500) return "now";
  return away > 0 ? `${coarse(away)} ago` : `in ${coarse(-away)}`;
}

/** A moment, told from now, and exactly in its title. */
export const moment = (ms) =>
  el("time", { datetime: new Date(ms).toISOString(), title: absolute(ms), "data-at": ms }, relative(ms));
/** How long something has gone on. */
export const since = (ms) => el("span", { "data-since": ms }, duration(Date.now() - ms));

/** How long a job took, or takes so far. */
export const took = (job) => (isOver(job) ? duration(job.updated_ms - job.created_ms) : since(job.created_ms));

/** Brings what is told from now up to now. */
export function tick() {
  const now = Date.now();
  for (const node of document.querySelectorAll("[data-at]")) setText(node, relative(Number(node.dataset.at), now));
  for (const node of document.querySelectorAll("[data-since]")) setText(node, duration(now - Number(node.dataset.since)));
}

/** The value below which are `q` of them. */
export const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];

export const short = (text, head = 6, tail = 4) => (text.length <= head + tail + 1 ? text : `${text.slice(0, head)}…${text.slice(-tail)}`);

const CHAINS = { 1: "Ethereum", 11155111: "Sepolia", 17000: "Holesky", 560048: "Hoodi", 31337: "local chain", 1337: "local chain" };
export const chainName = (id) => (CHAINS[id] ? `${CHAINS[id]} (${id})` : `chain ${id}`);
