// What is seen on its own: the story of a job, and what models cost.

import {
  $, absolute, ask, askJson, chainName, clock, copyButton, count, duration, el, ether, isOver, models, moment, NONE, put, quantile,
  scaled, setText, short, since, small, stateTag, STATES, stream, tell, took, value, weiToEther,
} from "./common.js";

// --- The story of one -----------------------------------------------------------------------------

const REASONS = {
  refused: "The contract, or what stands on chain, refuses it",
  nonce_taken: "Another score of this subject was recorded with this nonce or a later one",
  deadline_passed: "Its deadline passed, or would pass before it is recorded",
  input: "The input does not fit the model",
  prover: "The prover failed",
  proof: "The proof does not hold, or is not of this model",
  lease_expired: "A worker took it and did not come back in time",
  chain: "The node, the relayer or the database could not do it",
  unknown_model: "Its model is not served any more",
  sealed: "The key that opens stored inputs is another one",
  cancelled: "Somebody asked for it",
  retried: "Somebody asked for it to be tried again",
};

/** Asks whether to go on; the answer of Escape is no. */
function confirmed(title, text, yes) {
  const dialog = $("confirm");
  setText($("confirm-title"), title);
  setText($("confirm-text"), text);
  setText($("confirm-yes"), yes);
  dialog.returnValue = "";
  $("confirm-yes").onclick = () => dialog.close("yes");
  $("confirm-no").onclick = () => dialog.close("");
  dialog.showModal();
  return new Promise((done) => dialog.addEventListener("close", () => done(dialog.returnValue === "yes"), { once: true }));
}

/** Brings a list of terms up to date; what did not change keeps its element, and its focus. */
function showFacts(list, facts) {
  put(list, facts.map(([name]) => name).join("\n"), () => facts.map(([name]) => el("div", {}, el("dt", {}, name), el("dd"))));
  facts.forEach(([, signature, make], i) => put(list.children[i].lastChild, String(signature), () => (make ? make() : String(signature))));
}

/** A fact that is one long word. */
const coded = (text, what) => (text === undefined ? [NONE] : [text, () => [el("code", {}, text), copyButton(text, what)]]);

export class StoryView {
  id = null;

  constructor(root, again) {
    Object.assign(this, { root, again });
  }

  open(id, back) {
    Object.assign(this, { id, job: null, events: [], path: `/v1/jobs/${encodeURIComponent(id)}` });
    const button = (name, text, act, kind) => {
      this[name] = el("button", { type: "button", id: name, class: kind, hidden: true, onclick: act }, text);
      return this[name];
    };
    const tile = (name, key) => el("li", { class: "tile" },
      el("span", { class: "tile-name" }, name), el("b", { id: key }, NONE), el("span", { class: "tile-note", id: `${key}-note` }, "\u00a0"));
    const panel = (title, ...inside) => el("section", { class: "panel" }, el("div", { class: "head" }, el("h2", {}, title)), ...inside);
    this.facts = el("dl", { class: "terms" });
    this.paid = el("dl", { class: "terms" });
    this.root.replaceChildren(
      el("p", { class: "back" }, el("a", { href: back }, "← Jobs")),
      el("div", { class: "story-head" },
        el("div", {},
          el("h1", { tabindex: -1 }, "Job ", el("code", {}, id), copyButton(id, "the job’s id")),
          this.summary = el("p", { class: "summary", id: "story-state" }, "Loading…")),
        el("div", { class: "actions" },
          button("download", "Download proof", () => this.save()),
          button("cancel", "Cancel", () => this.change("cancel")),
          button("retry", "Try again", () => this.change("retry"), "strong"))),
      this.error = el("p", { class: "error", role: "alert", id: "story-error" }),
      this.why = el("div", { class: "why", id: "reason", hidden: true }),
      this.body = el("div", {},
        el("ul", { class: "tiles five" },
          tile("Score", "score"), tile("From acceptance", "took"), tile("Proof", "proof"), tile("Gas", "gas"), tile("Fee", "fee")),
        el("div", { class: "two" },
          el("div", {},
            panel("What happened", this.steps = el("ol", { class: "steps", id: "timeline" }, el("li", { class: "quiet" }, "Loading…"))),
            this.outputs = el("div", { hidden: true })),
          el("div", {}, panel("What was asked", this.facts), panel("Transaction", this.paid)))));
  }

  close() {
    this.id = null;
    this.following?.abort();
    this.following = null;
  }

  async refresh(signal) {
    const { id, path } = this;
    try {
      const job = await askJson(path, { signal });
      const behind = this.events.at(-1)?.state !== job.state;
      const changed = !this.following && job.updated_ms !== this.job?.updated_ms;
      if (behind || changed) this.add(await askJson(`${path}/events`, { signal }));
      if (this.id !== id) return;
      this.show(job);
      if (!this.following && !isOver(job)) this.follow();
    } catch (error) {
      if (error.status !== 404 && error.status !== 400) throw error;
      if (this.id !== id) return;
      put(this.summary, "none", () => "");
      const said = `${error.message[0].toUpperCase()}${error.message.slice(1)}. `;
      put(this.body, "none", () => el("p", { class: "panel empty" }, said, el("a", { href: "#/" }, "All jobs")));
    }
  }

  /** Has the service tell what happens as it happens; where that fails, asking now and then goes on. */
  async follow() {
    const mine = this.following = new AbortController();
    const last = this.events.at(-1)?.seq ?? 0;
    await stream(`${this.path}/events`, last, mine.signal, (event) => {
      if (this.following !== mine) return;
      this.add([event]);
      this.again();
    }).catch(() => {});
    if (this.following === mine) this.following = null;
  }

  add(events) {
    const known = new Map(this.events.map((event) => [event.seq, event]));
    for (const event of events) known.set(event.seq, event);
    this.events = [...known.values()].sort((a, b) => a.seq - b.seq);
  }

  async show(job) {
    const before = this.job?.state;
    this.job = job;
    document.title = `${job.state} · job ${short(job.id, 8, 6)} · Verdict`;
    if (before && before !== job.state) tell(`The job is ${job.state}: ${STATES[job.state]}.`);
    put(this.summary, `${job.state} ${job.updated_ms}`,
      () => [stateTag(job.state), el("span", {}, STATES[job.state] ?? ""), "·", moment(job.updated_ms)]);
    this.summary.dataset.state = job.state;
    this.allow(this.download, Boolean(job.bundle));
    this.allow(this.cancel, !isOver(job) && job.state !== "included");
    this.allow(this.retry, ["rejected", "dropped", "cancelled"].includes(job.state));
    this.why.hidden = !job.reason;
    this.why.dataset.over = String(isOver(job));
    if (job.reason) {
      put(this.why, JSON.stringify(job.reason), () => [
        el("b", {}, `${REASONS[job.reason.code] ?? job.reason.code}.`), " ", el("span", { class: "message" }, job.reason.message), " ",
        el("code", { class: "quiet", title: "The reason’s code" }, job.reason.code)]);
    }
    const model = await models().then((all) => all.find((one) => one.name === job.model), () => null);
    if (this.job !== job) return;
    this.showTiles(job, model);
    this.showSteps(job);
    this.showFacts(job, model);
  }

  /** Shows or hides a button; one that goes while it has the focus leaves it to the heading. */
  allow(button, yes) {
    if (!yes && document.activeElement === button) this.root.querySelector("h1").focus({ preventScroll: true });
    button.hidden = !yes;
  }

  showTiles(job, model) {
    const show = (id, text, note = "\u00a0") => { setText($(id), text); setText($(`${id}-note`), note); };
    const shared = model?.batch > 1 ? "shared with its batch" : undefined;
    show("score", job.score ?? NONE, job.score && model ? `${scaled(job.score, model.decimals)} · ${model.decimals} decimals` : undefined);
    $("score").dataset.score = job.score ?? "";
    put($("took"), isOver(job) ? job.updated_ms : 0, () => took(job));
    setText($("took-note"), isOver(job) ? "to the end" : "so far");
    show("proof", duration(job.proof_ms), job.attempts > 1 ? `attempt ${job.attempts}` : undefined);
    const tx = job.transaction;
    show("gas", count(tx?.gas_used), tx && shared);
    show("fee", tx ? ether(Number(tx.fee_wei) / 1e18) : NONE, tx ? (shared ? `ether, ${shared}` : "ether") : undefined);
  }

  showSteps(job) {
    const { events } = this;
    const running = !isOver(job);
    const signature = `${events.length} ${running ? Date.now() : "over"}`;
    if (events.length) put(this.steps, signature, () => this.makeSteps(running));
  }

  makeSteps(running) {
    const { events } = this;
    const start = events[0].at_ms;
    const end = Math.max(running ? Date.now() : events.at(-1).at_ms, start + 1);
    const part = (ms) => `${((100 * ms) / (end - start)).toFixed(3)}%`;
    return events.map((event, i) => {
      const until = events[i + 1]?.at_ms ?? end;
      const isLast = i === events.length - 1;
      const bar = el("i", { "data-s": event.state });
      bar.style.left = `min(${part(event.at_ms - start)}, 100% - 3px)`;
      bar.style.width = part(until - event.at_ms);
      const lasted = isLast ? (running ? since(event.at_ms) : "end") : duration(until - event.at_ms);
      const said = [
        event.reason && el("span", { class: "message" }, event.reason.message),
        event.by && el("span", { class: "by", title: event.by }, `by ${short(event.by, 22, 6)}`),
      ].filter(Boolean);
      const written = { datetime: new Date(event.at_ms).toISOString(), title: absolute(event.at_ms) };
      return el("li", { "data-s": event.state },
        stateTag(event.state), el("time", written, clock(event.at_ms, true)),
        el("span", { class: "track", "aria-hidden": "true" }, bar), el("span", { class: "number" }, lasted),
        said.length ? el("p", { class: "said" }, said) : null);
    });
  }

  showFacts(job, model) {
    const soon = job.deadline && !isOver(job) && job.deadline * 1000 < Date.now() + 60_000;
    showFacts(this.facts, [
      ["Kind", job.kind],
      ["Model", job.model, () => el("a", { href: "#/models" }, job.model)],
      ["Subject", ...coded(job.subject, "the subject")],
      ["Nonce", job.nonce === undefined ? "not yet" : count(job.nonce)],
      ["Deadline", `${job.deadline} ${soon}`, () => (job.deadline
        ? el("span", { class: soon ? "warning" : null }, absolute(job.deadline * 1000), " (", moment(job.deadline * 1000), ")") : "not yet")],
      ["Priority", count(job.priority)],
      ["Taken by workers", `${count(job.attempts)} ${job.attempts === 1 ? "time" : "times"}`],
      ["Accepted", job.created_ms, () => [absolute(job.created_ms), " (", moment(job.created_ms), ")"]],
      ["Idempotency key", ...coded(job.idempotency_key, "the key")],
      ["Stored proof", ...coded(job.bundle, "the proof’s id")],
    ].filter(([name]) => job.kind !== "proof" || !["Subject", "Nonce", "Deadline"].includes(name)));
    const tx = job.transaction;
    showFacts(this.paid, tx ? [
      ["Hash", ...coded(tx.hash, "the hash")],
      ["Sender", ...coded(tx.sender, "the sender")],
      ["Block", count(tx.block)],
      ["Gas", count(tx.gas_used)],
      ["Fee", `${weiToEther(tx.fee_wei)} ether`],
      ["Gas price", `${ether(Number(tx.fee_wei) / tx.gas_used / 1e9)} gwei`],
    ] : [[{ proof: "A proof for no chain has none" }[job.kind] ?? { submitted: "Known once it is in a block" }[job.state] ?? "None", ""]]);
    const values = job.outputs ?? [];
    this.outputs.hidden = values.length < 2;
    if (values.length > 1) {
      put(this.outputs, JSON.stringify(values), () => el("section", { class: "panel" },
        el("div", { class: "head" },
          el("h2", { id: "outputs-title" }, "Outputs"), el("p", { class: "note" }, `${count(values.length)}; the first is the score`)),
        el("div", { class: "wide tall", tabindex: 0, role: "region", "aria-labelledby": "outputs-title" },
          el("ol", { class: "outputs", id: "outputs" },
            values.map((v, i) => el("li", {}, el("span", { class: "quiet" }, String(i)), value(v)))))));
    }
  }

  async save() {
    setText(this.error, "");
    try {
      const blob = await (await ask(`${this.path}/bundle`)).blob();
      const url = URL.createObjectURL(blob);
      el("a", { href: url, download: `verdict-proof-${this.id}.json` }).click();
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
    } catch (error) {
      setText(this.error, `Not downloaded: ${error.message}.`);
    }
  }

  async change(what) {
    const { state } = this.job;
    const words = what === "cancel"
      ? ["Cancel this job?", state === "submitted"
        ? "Its transaction is sent. The relayer replaces it; whichever of the two a block takes decides."
        : "Nothing of it will be recorded. It can be tried again if its proof or its input is kept.", "Cancel the job"]
      : ["Try this job again?",
        "It goes on from its stored proof if that may still be recorded, else from its input if that was kept.", "Try again"];
    if (!await confirmed(...words)) return;
    setText(this.error, "");
    const { id, path } = this;
    try {
      const job = await askJson(`${path}/${what}`, { method: "POST" });
      if (this.id === id) this.show(job);
      tell(what === "cancel" ? "Cancelling was asked for." : "The job is tried again.");
      this.again();
    } catch (error) {
      if (this.id === id) setText(this.error, `${what === "cancel" ? "Not cancelled" : "Not tried again"}: ${error.message}.`);
    }
  }
}

// --- Models ---------------------------------------------------------------------------------------

const LOOKED_AT = 100;
const AGAIN_MS = 20_000;

const raised = (n) => [...String(n)].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]).join("");
const middleOf = (values) => (values.length ? quantile(values.sort((a, b) => a - b), 0.5) : null);

function modelPanel(model) {
  const name = (text) => el("code", {}, text);
  const tile = (label, text, note, key) => el("li", { class: "tile" },
    el("span", { class: "tile-name" }, label), el("b", { "data-figure": key }, text), el("span", { class: "tile-note" }, note));
  const term = (label, ...inside) => el("div", {}, el("dt", {}, label), el("dd", {}, ...inside));
  const address = (label, text) => term(label, name(text), copyButton(text, label.toLowerCase()));
  const { error, deployment } = model;
  const inputs = model.inputs.map((input) => [name(input.name), ` ${input.shape.join(" × ") || "scalar"}`]);
  return el("section", { class: "panel model", "data-model": model.name, "aria-label": model.name },
    el("div", { class: "head" }, el("h2", {}, model.name),
      el("ul", { class: "tags" },
        el("li", {}, `${model.weights} weights`),
        model.batch > 1 ? el("li", {}, `proofs of ${count(model.batch)}`) : null,
        model.insecure_srs ? el("li", { class: "warning" },
          el("span", { class: "sign", "aria-hidden": "true" }, "!"), "development SRS: proofs can be forged") : null),
      el("a", { class: "to-jobs", href: `#/?model=${encodeURIComponent(model.name)}` }, "its jobs")),
    el("ul", { class: "tiles" },
      tile("Largest error", small(error.max), `mean ${small(error.mean)}, ${count(error.samples)} samples`),
      tile("Rows", count(2 ** model.rows_log2), `2${raised(model.rows_log2)}, ${count(model.parameters)} parameters`),
      tile("Size of a proof", model.proof_bytes == null ? NONE : count(model.proof_bytes), "bytes"),
      tile("Time of a proof", NONE, "median of its last jobs", "proof"),
      tile("Gas", NONE, "median of its last jobs", "gas"),
      tile("Fee", NONE, "ether, median of its last jobs", "fee")),
    el("div", { class: "two even" },
      el("dl", { class: "terms" },
        term("Inputs", ...inputs.flatMap((input, i) => (i ? [", ", ...input] : input)),
          model.inputs.length > 1 ? `; ${count(model.input_elements)} numbers` : ""),
        term("Outputs", `${count(model.outputs)}, ${model.decimals} decimals`),
        term("Parameters", count(model.parameters)),
        term("Setup", el("code", { title: model.setup_id }, short(model.setup_id, 20, 10)), copyButton(model.setup_id, "the setup’s id"))),
      el("dl", { class: "terms" }, deployment ? [
        term("Deployed on", `${chainName(deployment.chain_id)}, model ${deployment.model_id}`),
        address("Oracle", deployment.oracle), address("Registry", deployment.registry), address("Verifier", deployment.verifier),
        term("Data providers", deployment.attestations ? "scores take their statements" : "none have to vouch"),
      ] : term("Deployed", "no: it makes proofs, and records nothing"))));
}

export class ModelsView {
  constructor(root) {
    this.root = root;
    this.box = el("div", { class: "models" }, el("p", { class: "panel empty" }, "Loading…"));
    root.append(el("h1", { tabindex: -1 }, "Models"), this.box);
  }

  open() { this.measured = 0; }
  close() {}

  async refresh(signal) {
    const all = await models(true);
    put(this.box, JSON.stringify(all), () => (all.length ? all.map(modelPanel) : el("p", { class: "panel empty" }, "No models are served.")));
    if (Date.now() - this.measured < AGAIN_MS) return;
    this.measured = Date.now();
    await Promise.all(all.map((model) => this.measure(model, signal)));
  }

  /** What the last jobs of a model took. */
  async measure(model, signal) {
    const { jobs } = await askJson(`/v1/jobs?limit=${LOOKED_AT}&model=${encodeURIComponent(model.name)}`, { signal });
    const panel = [...this.box.children].find((child) => child.dataset.model === model.name);
    const show = (key, text) => panel && setText(panel.querySelector(`[data-figure=${key}]`), text);
    const paid = jobs.map((job) => job.transaction).filter(Boolean);
    show("proof", duration(middleOf(jobs.map((job) => job.proof_ms).filter((ms) => ms !== undefined))));
    show("gas", count(middleOf(paid.map((tx) => tx.gas_used))));
    show("fee", ether(middleOf(paid.map((tx) => Number(tx.fee_wei) / 1e18))));
  }
}
