// The desk: figures at a glance, sending keys, charts drawn by hand, and the list of jobs.

import {
  $, absolute, clock, copyButton, count, duration, el, ether, jobHash, mark, models, moment, NONE, put, quantile, setText, short,
  STATES, stateTag, svg, took, value, weiToEther,
} from "./common.js";

// --- At a glance ----------------------------------------------------------------------------------

const TILES = [
  { name: "Waiting", states: ["queued"], extra: (stats) => stats.counts.queued > 0 && `oldest ${duration(stats.oldest_queued_ms)}` },
  { name: "Being proven", states: ["proving"] },
  { name: "Proved", states: ["proved"], hint: "Proofs for no chain, which are done, and scores that are about to be sent" },
  { name: "On their way", states: ["submitted", "included"] },
  { name: "Recorded", states: ["finalized"], extra: today },
  { name: "Failed", states: ["rejected", "dropped"], alarm: true },
];

/** How many of the samples were recorded today; more than the samples may have been. */
function today({ samples }) {
  const midnight = new Date().setHours(0, 0, 0, 0);
  const recorded = samples.filter((sample) => sample.gas_used !== null && sample.at_ms >= midnight).length;
  const more = samples.length >= 200 && samples[0].at_ms >= midnight;
  return `${more ? "≥ " : ""}${count(recorded)} today`;
}

const stateLink = (state, n) =>
  el("a", { href: `#/?state=${state}`, "data-s": state, title: `Show them: ${STATES[state]}` }, mark(state), `${n} ${state}`);

function makeTile(tile) {
  const number = el("b", {}, NONE);
  const note = el("span", { class: "tile-note" }, "\u00a0");
  const item = el("li", { class: "tile", "data-tile": tile.states.join("-"), title: tile.hint },
    el("span", { class: "tile-name" }, tile.name), number, note);
  return { ...tile, item, number, note };
}

let tiles = null;

export function showTiles(stats) {
  if (!tiles) {
    tiles = TILES.map(makeTile);
    $("tiles").replaceChildren(...tiles.map((tile) => tile.item));
  }
  if (!stats) return;
  for (const tile of tiles) {
    const counts = tile.states.map((state) => stats.counts[state] ?? 0);
    const total = counts.reduce((sum, n) => sum + n, 0);
    setText(tile.number, count(total));
    tile.item.classList.toggle("alarm", Boolean(tile.alarm) && total > 0);
    tile.item.classList.toggle("nought", total === 0);
    // Links stay the same elements while only their numbers change, so that they keep the focus.
    put(tile.note, tile.states.join(), () => [
      ...tile.states.map((state) => stateLink(state, NONE)),
      el("span", { class: "extra" }),
    ]);
    tile.states.forEach((state, i) => {
      setText(tile.note.children[i].lastChild, `${count(counts[i])} ${state}`);
    });
    setText(tile.note.lastChild, tile.extra?.(stats) || "");
  }
}

// --- Sending keys ---------------------------------------------------------------------------------

const LOW_ETHER = 0.05;
const WIDE_GAP = 16;

const FOUR = new Intl.NumberFormat("en-US", { minimumFractionDigits: 4, maximumFractionDigits: 4 });
const balance = (n) => (n === 0 || n >= 0.001 ? FOUR.format(n) : ether(n));

function condition(sender) {
  const wrong = [];
  if (sender.balance_ether < LOW_ETHER) wrong.push(`low: less than ${LOW_ETHER} ether`);
  if (sender.nonce_gap > WIDE_GAP) wrong.push(`stuck? more than ${WIDE_GAP} wait for a block`);
  return wrong;
}

export function showKeys({ senders }) {
  put($("keys"), JSON.stringify(senders), () => {
    if (senders.length === 0) {
      return el("tr", { role: "row" }, el("td", { role: "cell", colspan: 4, class: "quiet" }, "This process sends no transactions."));
    }
    const cell = (label, attributes, ...children) => el("td", { role: "cell", "data-label": label, ...attributes }, ...children);
    return senders.map((sender) => {
      const wrong = condition(sender);
      const state = wrong.length
        ? el("span", { class: "warning" }, el("span", { class: "sign", "aria-hidden": "true" }, "!"), wrong.join("; "))
        : el("span", { class: "fine" }, mark("finalized"), "good");
      return el("tr", { role: "row", "data-sender": sender.address, class: wrong.length ? "warned" : null },
        cell("Account", {},
          el("code", { title: sender.address }, el("span", { class: "full" }, sender.address), el("span", { class: "brief" }, short(sender.address))),
          copyButton(sender.address, "address")),
        cell("Balance", { class: "number" }, `${balance(sender.balance_ether)} ether`),
        cell("Signed, in no block", { class: "number" }, count(sender.nonce_gap)),
        cell("Condition", {}, state));
    });
  });
  const warned = senders.filter((sender) => condition(sender).length).length;
  setText($("keys-note"), warned ? `${warned} of ${senders.length} to be looked at` : "");
}

// --- Charts ---------------------------------------------------------------------------------------

const CHARTS = [
  { id: "took", name: "From acceptance to end", of: (s) => s.took_ms, unit: timeUnit },
  { id: "proof", name: "Proof", of: (s) => s.proof_ms, unit: timeUnit },
  { id: "gas", name: "Gas of a transaction", of: (s) => s.gas_used, unit: () => ({ by: 1, write: (v) => count(Math.round(v)) }) },
  { id: "fee", name: "Fee of a transaction", of: (s) => s.fee_ether, unit: feeUnit },
];

function timeUnit(largest) {
  const by = [[172_800_000, 86_400_000, "d"], [7_200_000, 3_600_000, "h"], [120_000, 60_000, "min"], [1000, 1000, "s"]].find(([from]) => largest >= from);
  return { by: by?.[1] ?? 1, name: by?.[2] ?? "ms", write: (v) => duration(v) };
}

function feeUnit(largest) {
  const gwei = largest < 1e-5;
  return { by: gwei ? 1e-9 : 1, write: (v) => `${ether(gwei ? v * 1e9 : v)} ${gwei ? "gwei" : "ether"}` };
}

/** Round steps from about `low` to about `high`. */
function ticksOf(low, high) {
  const rough = (high - low) / 3 || high || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].find((m) => m * power >= rough) * power;
  const ticks = [];
  for (let t = Math.floor(low / step); t * step < high + step; t += 1) ticks.push(Number((t * step).toPrecision(12)));
  return ticks;
}

const HEIGHT = 128;
const BOX = { top: 8, bottom: 108, left: 6, right: 58 };

function makeChart(chart) {
  const plot = el("div", { class: "plot" });
  const middle = el("b", {}, NONE);
  const note = el("span", { class: "note" }, "\u00a0");
  const figure = el("figure", { class: "panel chart", "data-chart": chart.id },
    el("figcaption", {}, el("span", { class: "chart-name" }, chart.name), middle, note), plot);
  const made = { ...chart, plot, middle, note, figure, rest: "\u00a0" };
  plot.addEventListener("pointermove", (event) => point(made, event));
  plot.addEventListener("pointerleave", () => point(made, null));
  return made;
}

function draw(chart, samples) {
  const points = samples.map((sample) => ({ at: sample.at_ms, v: chart.of(sample) })).filter((p) => p.v !== null && p.v !== undefined);
  const width = Math.max(160, chart.plot.clientWidth);
  const signature = `${width} ${points.length} ${points.at(-1)?.at} ${points[0]?.at}`;
  if (chart.drawn === signature) return;
  chart.drawn = signature;
  const titles = [svg("title", { id: `${chart.id}-title` }, chart.name)];
  const frame = { viewBox: `0 0 ${width} ${HEIGHT}`, height: HEIGHT, role: "img", "aria-labelledby": `${chart.id}-title ${chart.id}-desc` };
  if (points.length === 0) {
    chart.points = [];
    setText(chart.middle, NONE);
    chart.rest = "\u00a0";
    setText(chart.note, chart.rest);
    titles.push(svg("desc", { id: `${chart.id}-desc` }, "Nothing to show yet."));
    chart.plot.replaceChildren(svg("svg", frame, ...titles,
      svg("line", { class: "axis", x1: BOX.left, x2: width - BOX.left, y1: BOX.bottom, y2: BOX.bottom }),
      svg("text", { class: "nothing", x: width / 2, y: 62 }, "nothing yet")));
    return;
  }
  const sorted = points.map((p) => p.v).sort((a, b) => a - b);
  const [least, median, most95, most] = [sorted[0], quantile(sorted, 0.5), quantile(sorted, 0.95), sorted.at(-1)];
  // A few that are far off must not flatten the others: they are drawn at the edge, as triangles.
  const cap = most > 4 * most95 ? 1.5 * most95 : most;
  const unit = chart.unit(cap);
  const ticks = ticksOf((least > cap / 2 ? least : 0) / unit.by, cap / unit.by);
  const [low, high] = [ticks[0] * unit.by, ticks.at(-1) * unit.by];
  const x = (i) => BOX.left + 3 + (points.length < 2 ? 0.5 : i / (points.length - 1)) * (width - BOX.right - BOX.left - 6);
  const y = (v) => BOX.bottom - ((Math.min(v, high) - low) / (high - low || 1)) * (BOX.bottom - BOX.top);
  const over = sorted.filter((v) => v > high).length;

  setText(chart.middle, unit.write(median));
  chart.rest = `median · 95 % within ${unit.write(most95)}${over ? ` · ${over} above` : ""}`;
  setText(chart.note, chart.rest);
  titles.push(svg("desc", { id: `${chart.id}-desc` },
    `${points.length} jobs from ${absolute(points[0].at)} to ${absolute(points.at(-1).at)}: ` +
    `least ${unit.write(least)}, median ${unit.write(median)}, 95 percent within ${unit.write(most95)}, most ${unit.write(most)}.` +
    `${over ? ` ${over} are above the chart.` : ""} The button “As a table” shows all.`));
  const right = width - BOX.right;
  const grid = ticks.map((t, i) => [
    svg("line", { class: i ? "grid" : "axis", x1: BOX.left, x2: right, y1: y(t * unit.by), y2: y(t * unit.by) }),
    svg("text", { x: right + 6, y: y(t * unit.by) + 3.5 }, value(t) + (unit.name && i === ticks.length - 1 ? ` ${unit.name}` : "")),
  ]);
  const dots = points.map((p, i) => (p.v > high
    ? svg("path", { class: "far", d: `M${x(i)} ${BOX.top - 5}l3.5 6h-7z` })
    : svg("circle", { class: "dot", cx: x(i).toFixed(1), cy: y(p.v).toFixed(1), r: 2 })));
  chart.cursor = svg("line", { class: "cursor", y1: BOX.top, y2: BOX.bottom, x1: 0, x2: 0, visibility: "hidden" });
  chart.plot.replaceChildren(svg("svg", frame, ...titles, ...grid.flat(),
    svg("line", { class: "median", x1: BOX.left, x2: right, y1: y(median), y2: y(median) }),
    ...dots, chart.cursor,
    svg("text", { x: BOX.left, y: HEIGHT - 5 }, clock(points[0].at)),
    svg("text", { class: "end", x: right, y: HEIGHT - 5 }, clock(points.at(-1).at))));
  Object.assign(chart, { points, x, write: unit.write });
}

/** Tells of the job that the pointer is nearest to. */
function point(chart, event) {
  if (!chart.points?.length) return;
  if (!event) {
    chart.cursor.setAttribute("visibility", "hidden");
    setText(chart.note, chart.rest);
    return;
  }
  const left = event.clientX - chart.plot.getBoundingClientRect().left;
  const away = chart.points.map((_, i) => Math.abs(chart.x(i) - left));
  const i = away.indexOf(Math.min(...away));
  for (const end of ["x1", "x2"]) chart.cursor.setAttribute(end, chart.x(i));
  chart.cursor.setAttribute("visibility", "visible");
  setText(chart.note, `${clock(chart.points[i].at)} · ${chart.write(chart.points[i].v)}`);
}

let charts = null;
let shown = null;

export function showCharts(stats) {
  if (!charts) {
    charts = CHARTS.map(makeChart);
    $("charts").replaceChildren(...charts.map((chart) => chart.figure));
    new ResizeObserver(() => shown && charts.forEach((chart) => draw(chart, shown))).observe($("charts"));
    $("show-samples").addEventListener("click", showTable);
    $("samples-close").addEventListener("click", () => $("samples").close());
  }
  if (!stats) return;
  shown = stats.samples;
  setText($("charts-note"), shown.length ? `the last ${shown.length}, in the order in which they ended` : "none yet");
  charts.forEach((chart) => draw(chart, shown));
}

function showTable() {
  const cell = (text) => el("td", { class: "number" }, text);
  const rows = (shown ?? []).toReversed().map((sample) => el("tr", {},
    el("td", {}, absolute(sample.at_ms)), cell(duration(sample.took_ms)), cell(duration(sample.proof_ms)),
    cell(count(sample.gas_used)), cell(ether(sample.fee_ether))));
  $("samples-rows").replaceChildren(...(rows.length ? rows : [el("tr", {}, el("td", { colspan: 5 }, "None yet."))]));
  $("samples").showModal();
}

// --- The list -------------------------------------------------------------------------------------

const PAGE = 25;
const FILTERS = ["state", "model", "subject"];

const CELLS = [
  ["State", null, (job) => stateTag(job.state)],
  ["Job", "code", (job) => el("a", { href: jobHash(job), title: job.id }, short(job.id, 8, 6))],
  ["Kind", null, (job) => job.kind],
  ["Model", "cut", (job) => el("span", { title: job.model }, job.model)],
  ["Subject", "code", (job) => (job.subject ? el("span", { title: job.subject }, short(job.subject)) : NONE)],
  ["First output", "number", (job) => el("span", { title: job.score ? `recorded as ${job.score}` : null }, value(job.outputs?.[0]))],
  ["Proof", "number", (job) => duration(job.proof_ms)],
  ["Gas", "number", (job) => count(job.transaction?.gas_used)],
  ["Fee, ether", "number", (job) => (job.transaction
    ? el("span", { title: `${weiToEther(job.transaction.fee_wei)} ether` }, ether(Number(job.transaction.fee_wei) / 1e18)) : NONE)],
  ["Accepted", "number", (job) => moment(job.created_ms)],
  ["Took", "number", took],
  ["Remark", "cut", (job) => el("span", { title: job.reason?.message }, job.reason?.message ?? "")],
];
const LINK = 1;

function makeRow(job) {
  const cells = CELLS.map(([label, kind]) => el("td", { role: "cell", "data-label": label, class: kind }));
  const row = el("tr", { role: "row", "data-job": job.id }, cells);
  row.addEventListener("click", (event) => {
    // The link is for keys and for new tabs; a click anywhere in the row does the same.
    if (!event.target.closest("a") && String(getSelection()) === "") location.hash = jobHash(job);
  });
  return row;
}

function fillRow(row, job) {
  const [state] = row.children;
  const before = state.dataset.state;
  const signature = JSON.stringify(job);
  CELLS.forEach(([, , make], i) => put(row.children[i], i === LINK ? job.id : signature, () => make(job)));
  state.dataset.state = job.state;
  for (const cell of row.children) cell.classList.toggle("blank", ["", NONE].includes(cell.textContent));
  if (before && before !== job.state) {
    row.classList.remove("changed");
    void row.offsetWidth; // Begins the animation anew.
    row.classList.add("changed");
  }
}

export class JobList {
  rows = new Map();
  filter = new URLSearchParams();
  live = true;
  listed = false;

  constructor(again) {
    const narrow = (changes) => { location.hash = this.hash({ cursor: "", ...changes }); };
    for (const state of Object.keys(STATES)) $("filter-state").append(el("option", { value: state }, state));
    $("filter-state").addEventListener("change", (event) => narrow({ state: event.target.value }));
    $("filter-model").addEventListener("change", (event) => narrow({ model: event.target.value }));
    const subject = () => {
      const given = $("filter-subject").value.trim();
      const good = given === "" || /^0x[0-9a-fA-F]{40}$/.test(given);
      $("filter-subject").setAttribute("aria-invalid", String(!good));
      setText($("filter-error"), good ? "" : "A subject is an address: 0x and 40 hexadecimal digits.");
      if (good) narrow({ subject: given });
    };
    $("filter-subject").addEventListener("change", subject);
    $("filters").addEventListener("submit", (event) => { event.preventDefault(); subject(); });
    $("filter-clear").addEventListener("click", () => {
      $("filter-subject").value = "";
      subject();
      location.hash = "#/";
    });
    $("older").addEventListener("click", (event) => narrow({ cursor: event.target.dataset.next }));
    $("newest").addEventListener("click", () => narrow({}));
    $("live").addEventListener("click", () => {
      this.live = !this.live;
      $("live").setAttribute("aria-pressed", String(this.live));
      setText($("live"), this.live ? "Live" : "Held");
      again();
    });
  }

  /** Where the list is found with these changes of its filters. */
  hash(changes) {
    const next = new URLSearchParams(this.filter);
    for (const [name, text] of Object.entries(changes)) {
      if (text) next.set(name, text);
      else next.delete(name);
    }
    return next.size ? `#/?${next}` : "#/";
  }

  open(query) {
    const next = new URLSearchParams(query);
    this.listed &&= next.toString() === this.filter.toString();
    this.filter = next;
    $("filter-state").value = next.get("state") ?? "";
    if (document.activeElement !== $("filter-subject")) $("filter-subject").value = next.get("subject") ?? "";
    $("filter-clear").disabled = !FILTERS.some((name) => next.has(name));
    this.offerModels();
  }

  async offerModels() {
    const names = (await models().catch(() => [])).map((model) => model.name);
    const chosen = this.filter.get("model");
    if (chosen && !names.includes(chosen)) names.push(chosen);
    put($("filter-model"), names.join("\n"), () => [el("option", { value: "" }, "any"), ...names.map((name) => el("option", { value: name }, name))]);
    $("filter-model").value = chosen ?? "";
  }

  /** What is to be asked for; nothing while the list is held. */
  wanted() {
    if (this.listed && !this.live) return null;
    const query = new URLSearchParams({ limit: PAGE });
    for (const name of [...FILTERS, "cursor"]) if (this.filter.get(name)) query.set(name, this.filter.get(name));
    return `/v1/jobs?${query}`;
  }

  show({ jobs, next }) {
    const body = $("jobs");
    const ids = new Set(jobs.map((job) => job.id));
    const held = this.anchor();
    for (const [id, row] of this.rows) {
      if (ids.has(id)) continue;
      if (row.contains(document.activeElement)) $("jobs-box").focus({ preventScroll: true });
      row.remove();
      this.rows.delete(id);
    }
    jobs.forEach((job, i) => {
      const row = this.rows.get(job.id) ?? makeRow(job);
      this.rows.set(job.id, row);
      fillRow(row, job);
      // A row that is in its place is not moved: that would take its focus.
      if (body.children[i] !== row) body.insertBefore(row, body.children[i] ?? null);
    });
    // Who has scrolled into the list goes on to see what he sees.
    if (held?.row.isConnected) scrollBy({ top: held.row.getBoundingClientRect().top - held.top, behavior: "instant" });
    this.listed = true;
    $("desk").classList.remove("first");
    const filtered = FILTERS.some((name) => this.filter.has(name));
    const older = this.filter.has("cursor");
    $("jobs-empty").hidden = jobs.length > 0;
    put($("jobs-empty"), `${filtered}`, () => (filtered
      ? el("p", {}, "No job is like that.")
      : [el("p", {}, "No jobs yet."),
        el("p", { class: "note" }, "POST /v1/scores submits one; ", el("a", { href: "/openapi.json" }, "the API’s document"), " says how.")]));
    $("older").dataset.next = next ?? "";
    $("older").disabled = !next;
    $("newest").disabled = !older;
    const jobsThere = `${count(jobs.length)} ${older ? "older " : ""}${jobs.length === 1 ? "job" : "jobs"}`;
    setText($("jobs-note"), `${jobsThere}, the newest first${this.live ? "" : "; held"}`);
  }

  /** The row that has to stay where it is: that with the focus, else the first below the page's header. */
  anchor() {
    const edge = document.querySelector(".bar").getBoundingClientRect().bottom;
    if ($("jobs-box").getBoundingClientRect().top > edge) return null;
    const focused = document.activeElement.closest("tr[data-job]");
    const row = focused ?? [...$("jobs").children].find((each) => each.getBoundingClientRect().top >= edge);
    return row && { row, top: row.getBoundingClientRect().top };
  }

  /** Says why there is nothing, if there is nothing. */
  fail(error) {
    if (this.listed) return;
    $("desk").classList.remove("first");
    if (!$("keys").shown) setText($("keys").firstElementChild.firstElementChild, "Not known yet.");
    put($("jobs-empty"), error.message, () => `Nothing to show: ${error.message}.`);
  }
}
