// The page: which view is shown, and what is asked for when.

import { $, absolute, askJson, chainName, clock, Problem, setText, short, tell, tick, token } from "./common.js";
import { JobList, showCharts, showKeys, showTiles } from "./desk.js";
import { ModelsView, StoryView } from "./detail.js";

const EVERY_MS = 2000;

// --- Connection -----------------------------------------------------------------------------------

let answeredAt = null;

function connected(state, text) {
  $("connection").dataset.connection = state;
  setText($("connection-text"), text);
}

function succeeded() {
  answeredAt = Date.now();
  connected("live", "live");
  $("connection").title = `Last answer: ${absolute(answeredAt)}`;
  $("trouble").hidden = true;
}

/** Shows why nothing new is seen, and says how long to wait. */
function failed(error) {
  if (!(error instanceof Problem)) {
    console.error(error);
    connected("lost", "the page failed");
    return 5 * EVERY_MS;
  }
  if (error.status === 401) {
    lock(error);
    return Infinity;
  }
  const wait = Math.max(EVERY_MS, error.retryAfter * 1000);
  connected("lost", error.status ? `answers ${error.status}` : "no answer");
  const seen = answeredAt ? `What is shown is of ${clock(answeredAt)}. ` : "";
  const trouble = `${error.message[0].toUpperCase()}${error.message.slice(1)}.`.replace("..", ".");
  $("trouble").hidden = false;
  setText($("trouble"), `${trouble} ${seen}Asking again every ${Math.round(wait / 1000)} s.`);
  return wait;
}

// --- Token ----------------------------------------------------------------------------------------

function lock(error) {
  const wrong = token.get();
  token.forget();
  locked(true);
  connected("locked", "token needed");
  setText($("token-error"), wrong ? `Not taken: ${error.message}.` : "");
  $("token").setAttribute("aria-invalid", String(Boolean(wrong)));
  $("token").focus();
}

function locked(yes) {
  document.body.classList.toggle("is-locked", yes);
  $("locked").hidden = !yes;
  $("nav").hidden = yes;
  $("forget").hidden = yes || !token.get();
  $("trouble").hidden = true;
  if (yes) {
    for (const view of ["desk", "story", "models"]) $(view).hidden = true;
    document.title = "Token needed · Verdict";
    story.close();
  }
}

$("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const given = $("token").value.trim();
  if (!/^[\x21-\x7e]+$/.test(given)) {
    setText($("token-error"), "A token is one word of letters, digits and signs.");
    return;
  }
  token.set(given);
  $("token").value = "";
  setText($("token-error"), "");
  locked(false);
  route(true);
});

$("forget").addEventListener("click", () => {
  // What it showed goes with it.
  token.forget();
  location.reload();
});

// --- Views ----------------------------------------------------------------------------------------

let last = null; // What was told of last.
/** Says what changed since it was said last, at most every ten seconds. */
function tellFigures({ counts }) {
  const now = Date.now();
  if (last && now - last.at < 10_000) return;
  const more = (state) => (last ? counts[state] - last.counts[state] : 0);
  const news = [[more("finalized"), "recorded"], [more("rejected") + more("dropped"), "failed"]].filter(([n]) => n > 0);
  if (news.length) tell(`${news.map(([n, what]) => `${n} more ${what}`).join(", ")}; ${counts.queued} waiting.`);
  last = { at: now, counts };
}

function showHeader(stats) {
  setText($("version"), `version ${stats.version}`);
  setText($("chain"), stats.chain_id === null ? "no chain" : chainName(stats.chain_id));
}

const list = new JobList(() => poll());
const desk = {
  async refresh(signal) {
    const path = list.wanted();
    const [stats, page] = await Promise.all([askJson("/v1/stats", { signal }), path && askJson(path, { signal })]);
    showHeader(stats);
    showTiles(stats);
    showKeys(stats);
    showCharts(stats);
    tellFigures(stats);
    if (page) list.show(page);
  },
  close() {},
};
const story = new StoryView($("story"), () => poll());
const modelList = new ModelsView($("models"));

let view = desk;
let turn = 0;
let timer = null;
let asking = null;

/** Asks for what the view shows, now and then every two seconds while it can be seen. */
async function poll() {
  clearTimeout(timer);
  asking?.abort();
  if (document.hidden || document.body.classList.contains("is-locked")) return;
  const mine = ++turn;
  asking = new AbortController();
  let wait = EVERY_MS;
  try {
    if (view !== desk && $("version").textContent.endsWith("…")) showHeader(await askJson("/v1/stats", { signal: asking.signal }));
    await view.refresh(asking.signal);
    if (mine !== turn) return;
    succeeded();
  } catch (error) {
    if (mine !== turn) return;
    wait = failed(error);
    if (view === desk) list.fail(error);
  }
  if (Number.isFinite(wait)) timer = setTimeout(poll, wait);
}

function decoded(text) {
  try { return decodeURIComponent(text); } catch { return text; }
}

function route(first = false) {
  if (document.body.classList.contains("is-locked")) return;
  const hash = location.hash.startsWith("#/") ? location.hash.slice(2) : "";
  const [path, query = ""] = hash.split("?");
  const [what, written] = path.split("/");
  const id = decoded(written ?? "");
  const name = what === "jobs" && id ? "story" : what === "models" ? "models" : "desk";
  const before = view;
  view.close();
  view = { desk, story, models: modelList }[name];
  for (const each of ["desk", "story", "models"]) $(each).hidden = each !== name;
  for (const link of document.querySelectorAll("#nav a")) {
    if (link.dataset.view === (name === "story" ? "desk" : name)) link.setAttribute("aria-current", name === "story" ? "true" : "page");
    else link.removeAttribute("aria-current");
  }
  if (name === "desk") {
    document.title = "Jobs · Verdict";
    list.open(query);
    showTiles();
    showCharts();
  } else {
    document.title = `${name === "story" ? `Job ${short(id, 8, 6)}` : "Models"} · Verdict`;
    view.open(id, list.hash({}));
  }
  if (!first && view !== before) {
    scrollTo(0, 0);
    document.querySelector(`#${name} h1`)?.focus({ preventScroll: true });
  }
  poll();
}

// --- Colours, keys, clock -------------------------------------------------------------------------

const THEMES = { auto: "Auto", light: "Light", dark: "Dark" };

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  setText($("theme"), THEMES[theme]);
  $("theme").setAttribute("aria-label", `Colours: ${THEMES[theme].toLowerCase()}; change`);
}

function storedTheme() {
  try { return localStorage.getItem("verdict-theme"); } catch { return null; }
}

setTheme(Object.hasOwn(THEMES, storedTheme() ?? "") ? storedTheme() : "auto");
$("theme").addEventListener("click", () => {
  const names = Object.keys(THEMES);
  const next = names[(names.indexOf(document.documentElement.dataset.theme) + 1) % names.length];
  setTheme(next);
  try { localStorage.setItem("verdict-theme", next); } catch { /* It lasts as long as the page. */ }
});
$("skip").addEventListener("click", (event) => { event.preventDefault(); $("main").focus(); });

document.addEventListener("visibilitychange", () => {
  if (document.hidden) connected("paused", "paused");
  poll();
});
addEventListener("hashchange", () => route());
setInterval(() => { if (!document.hidden) tick(); }, 1000);

locked(false);
route(true);
