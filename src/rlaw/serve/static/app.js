// The page: one view at a time, its settings in the address, its numbers from the server, drawn again when they change.
"use strict";

const TITLES = {
  overview: "Runs", curves: "Curves", law: "The law", residuals: "Residuals of the law", compare: "Laws compared",
  planner: "What a budget buys", contrast: "Contrast of two arms",
};
const SETTLED_MS = 350; // after the last change of a slider the intervals are worked out
const AGAIN_MS = 15000; // states of runs and times left are asked again
const $ = (id) => document.getElementById(id);
let about = null, version = 0, drawn = [], asking = null, later = 0;

/** An element: its attributes, listeners and children; text is text, never markup. */
function el(name, given = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(given)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.flat().filter((c) => c !== null && c !== undefined));
  return made;
}

function svg(name, given, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(given)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const view = () => { const name = location.pathname.split("/").pop(); return name in TITLES ? name : "overview"; };
const settings = () => new URLSearchParams(location.search);

/** Change settings of the view in its address. */
function set(changes, { redraw = true } = {}) {
  const now = settings();
  for (const [name, value] of Object.entries(changes)) if (value) now.set(name, value); else now.delete(name);
  const text = now.toString();
  history.replaceState(null, "", view() + (text ? `?${text}` : ""));
  if (redraw) render();
}

function query(more = {}) {
  const now = settings();
  for (const [name, value] of Object.entries(more)) now.set(name, value);
  return now.toString();
}

async function ask(name, more = {}) {
  asking?.abort();
  const mine = asking = new AbortController();
  const response = await fetch(`api/${name}?${query(more)}`, { signal: mine.signal });
  const found = await response.json();
  if (mine.signal.aborted) throw new DOMException("another was asked for", "AbortError");
  if (found.error) throw new Error(found.error.text);
  return found;
}

/** Run what draws a view; what goes wrong is shown. */
async function attempt(work) {
  document.body.classList.add("busy");
  $("main").setAttribute("aria-busy", "true");
  try {
    await work();
    $("problem").textContent = about?.problem ?? ""; // what was read before still stands, and it is said
    $("problem").hidden = !about?.problem;
  } catch (error) {
    if (error.name === "AbortError") return;
    const gone = error instanceof TypeError;
    $("problem").textContent = gone ? `The server does not answer: ${error.message}` : error.message;
    $("problem").hidden = false;
    if (!gone) clear();
  }
  document.body.classList.remove("busy");
  $("main").removeAttribute("aria-busy");
}

function clear() {
  for (const chart of drawn) chart.close();
  drawn = [];
  $("view").replaceChildren();
  $("view").dataset.of = "";
  $("origin").hidden = true;
}

/** A chart in a box of the view that stays between redraws. */
function chart(box, spec) {
  const there = drawn.find((c) => c.box === box);
  if (there) there.show(spec); else drawn.push(new Chart(box, spec));
}

/** The parts of a view, made once, found again by name. */
function parts(name, make) {
  if ($("view").dataset.of !== name) {
    clear();
    $("view").replaceChildren(...make());
    $("view").dataset.of = name;
  }
  return (part) => $("view").querySelector(`[data-part="${part}"]`);
}

const part = (name, tag = "div", given = {}) => el(tag, { "data-part": name, ...given });

// ---------------------------------------------------------------- numbers in words

function flops(value) { return value === null ? "" : `${short(value, 3)} FLOPs`; }
function duration(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}
function within(i, write = (v) => short(v, 3)) {
  if (i === null || i === undefined || i.value === null) return "";
  return i.low === null || i.high === null ? write(i.value) : `${write(i.value)} [${write(i.low)}, ${write(i.high)}]`;
}

const loss = (v) => v.toFixed(4);

function table(caption, heads, rows, { best = -1, cards = false } = {}) {
  const cell = (value, i, tag) => el(tag, { class: heads[i].num ? "num" : null, scope: tag === "th" ? "row" : null, "data-label": cards ? heads[i].name : null }, value ?? "");
  return el("div", { class: cards ? "scroll cards" : "scroll", tabindex: "0", role: "region", "aria-label": caption },
    el("table", {}, el("caption", {}, caption),
      el("thead", {}, el("tr", {}, heads.map((h) => el("th", { scope: "col", class: h.num ? "num" : null }, h.name)))),
      el("tbody", {}, rows.map((row, r) => el("tr", { class: r === best ? "best" : null }, row.map((v, i) => cell(v, i, i ? "td" : "th")))))));
}
const text = (name) => ({ name });
const num = (name) => ({ name, num: true });

// ---------------------------------------------------------------- settings

function select(label, name, options, value, { always = false } = {}) {
  if (options.length < 2 && !always) return null;
  return el("label", {}, label, el("select", { name, onchange: (e) => set({ [name]: e.target.value }) },
    options.map(([key, words]) => el("option", { value: key, selected: key === value }, words))));
}

function toggle(label, name, options, value) {
  return el("fieldset", {}, el("legend", {}, label), el("div", { class: "toggle" }, options.map(([key, words]) =>
    el("button", { type: "button", "aria-pressed": String(key === value), onclick: () => set({ [name]: key }) }, words))));
}

/** Which rows: one select for every column that holds several values. */
function rows(without = []) {
  return Object.entries(about.columns ?? {}).filter(([column]) => !without.includes(column)).map(([column, values]) => {
    const chosen = settings().getAll("where").find((w) => w.startsWith(`${column}=`))?.slice(column.length + 1) ?? about.chosen?.[column] ?? "";
    const change = (e) => {
      const now = settings(), others = now.getAll("where").filter((w) => !w.startsWith(`${column}=`));
      now.delete("where");
      for (const other of others) now.append("where", other);
      if (e.target.value) now.append("where", `${column}=${e.target.value}`);
      history.replaceState(null, "", `${view()}?${now}`);
      renderAll();
    };
    return el("label", {}, column.replace("_", " "), el("select", { onchange: change },
      chosen ? null : el("option", { value: "", selected: true }, "choose"),
      values.map((v) => el("option", { value: v, selected: v === chosen }, v || "(none)"))));
  });
}

/** The window of the fit: two handles on one track; the law follows while they move. */
function windowRange() {
  const steps = (about.steps ?? []).filter((s) => s > 0);
  if (steps.length < 3) return null;
  const [first, last] = (settings().get("window") || about.window || "1:").split(":");
  const at = (value, usual) => { if (value === "") return usual; const i = steps.findIndex((s) => s >= Number(value)); return i < 0 ? steps.length - 1 : i; };
  const ends = [at(first, 0), last === "" || last === undefined ? steps.length - 1 : Math.max(at(last, steps.length - 1), 1)];
  const words = el("span", {}), between = el("span", { class: "between" });
  const input = (i, label) => el("input", { type: "range", min: 0, max: steps.length - 1, value: ends[i], "aria-label": label });
  const inputs = [input(0, "first step of the fit"), input(1, "last step of the fit")];
  const tell = () => {
    words.textContent = `fit window: steps ${steps[ends[0]]} to ${steps[ends[1]]}`;
    inputs.forEach((one, i) => one.setAttribute("aria-valuetext", `step ${steps[ends[i]]}`));
    between.style.left = `${100 * ends[0] / (steps.length - 1)}%`;
    between.style.width = `${100 * (ends[1] - ends[0]) / (steps.length - 1)}%`;
  };
  inputs.forEach((one, i) => one.addEventListener("input", () => {
    ends[i] = Number(one.value);
    if (i === 0) ends[0] = Math.min(ends[0], ends[1] - 1); else ends[1] = Math.max(ends[1], ends[0] + 1);
    one.value = ends[i];
    tell();
    const whole = ends[0] === 0 && ends[1] === steps.length - 1;
    set({ window: whole ? "" : `${steps[ends[0]]}:${ends[1] === steps.length - 1 ? "" : steps[ends[1]]}` }, { redraw: false });
    draw({ fast: true });
  }));
  tell();
  return el("div", { class: "wide" }, el("label", { role: "group", "aria-label": "window of the fit" }, words, el("div", { class: "range" }, between, inputs)));
}

function fitControls({ scales = false } = {}) {
  const s = settings(), axis = s.get("axis") || about.axis;
  const laws = about.laws.map((l) => [l.name, l.name]);
  const derived = ["gpu-hours", "usd"].includes(axis);
  return [
    select("against", "axis", (scales ? about.axes : about.axes.filter((a) => ["compute", "data", "step"].includes(a.name))).map((a) => [a.name, a.name]), axis, { always: true }),
    derived ? select("GPU", "gpu", about.gpus.map((g) => [g, g]), s.get("gpu") || "H100") : null,
    scales ? toggle("measure", "measure", [["loss", "loss"], ["pass", "pass rate"]], s.get("measure") || "loss") : null,
    scales ? toggle("x axis", "x", [["log", "log"], ["linear", "linear"]], s.get("x") || "log") : null,
    scales ? toggle("y axis", "y", [["log", "log"], ["linear", "linear"]], s.get("y") || (s.get("measure") === "pass" ? "linear" : "log")) : null,
    select("law", "law", laws, s.get("law") || "saturating"),
    select("hold out", "hold_out", [["", "no size"], ...about.sizes.map((z) => [z.model, z.model])], s.get("hold_out") || ""),
    ...rows(),
    windowRange(),
  ];
}

// ---------------------------------------------------------------- where numbers come from

function origin(found) {
  const name = view(), q = query();
  const note = el("span", { role: "status" });
  const copy = el("button", { type: "button", onclick: async () => {
    try { await navigator.clipboard.writeText(found.command); note.textContent = "copied"; } catch { note.textContent = "select it by hand"; }
  } }, "Copy");
  const formats = ["svg", "pdf", "png", "csv", "tex"], words = { tex: "LaTeX" };
  $("origin").replaceChildren(
    el("h2", {}, "The same numbers on the command line"),
    about.rows ? el("p", { class: "note" }, `${about.rows.toLocaleString("en")} rows of ${about.data}` + (about.dropped ? `; excluded: ${about.dropped}` : "") + (about.notes.length ? `; ${about.notes.join("; ")}` : "")) : "",
    el("div", { class: "command" }, el("code", { tabindex: "0" }, found.command), copy), note,
    name === "contrast" ? "" : el("ul", { class: "exports", "aria-label": "this view as a file" }, formats.map((f) =>
      el("li", {}, el("a", { href: `export/${name}.${f}${q ? `?${q}` : ""}`, download: `${name}.${f}` }, `${words[f] ?? f.toUpperCase()}`)))));
  $("origin").hidden = false;
}

function steps(window) {
  const [first, last] = window.split(":");
  return first && last ? `steps ${first} to ${last}` : last ? `steps up to ${last}` : `steps from ${first || 1} on`;
}

function lawWords(law) {
  const write = (p) => (p.unit === "params" ? count : (v) => short(v, 4));
  return [
    el("p", { class: "equation" }, law.formula),
    el("ul", { class: "values" }, law.parameters.map((p) => el("li", { title: p.text }, `${p.name} = ${within(p, write(p))}`))),
    el("p", { class: "note" }, `${law.points} points, ${steps(law.window)}, RMSE ${short(law.rmse)}, R² ${short(law.r2_pooled)} over all sizes together; ` +
      `${law.drawn ? `${Math.round(100 * law.level)} % intervals` : "intervals follow"}. Source: ${law.source}.` +
      (law.held_out ? ` Held out ${law.held_out.model}: RMSE ${short(law.held_out.rmse)}.` : "") + (law.dropped ? ` Excluded: ${law.dropped}.` : "")),
    law.identified ? null : el("p", { class: "problem" }, `The data do not determine the parameters of ${law.name}.`),
    law.cautions.length ? el("details", {}, el("summary", {}, `${law.cautions.length} caution${law.cautions.length > 1 ? "s" : ""}`),
      el("ul", { class: "cautions" }, law.cautions.map((c) => el("li", {}, `${c.code}: ${c.text}`)))) : null,
  ].filter(Boolean);
}

function sizesTable(law) {
  const skip = ["model", "params", "points", "r2", "rmse", "level"];
  const names = Object.keys(law.sizes[0] ?? {}).filter((k) => !skip.includes(k));
  return table(`Every size by the law ${law.name}`, [text("size"), num("points"), ...names.map((n) => num(n)), num("R²"), num("RMSE")],
    law.sizes.map((s) => [s.model, String(s.points), ...names.map((n) => within(s[n])), s.r2 === null ? "" : Math.abs(s.r2) < 10 ? s.r2.toFixed(3) : short(s.r2, 3), short(s.rmse, 3)]));
}

/** Numbers of a chart as a table, made when it is opened. */
function numbers(caption, heads, make) {
  const box = el("details", {}, el("summary", {}, caption));
  box.addEventListener("toggle", () => { if (box.open && box.children.length < 2) box.append(table(caption, heads, make())); });
  return box;
}

// ---------------------------------------------------------------- views

function spark(losses) {
  if (losses.length < 2) return "";
  const low = Math.min(...losses), spread = Math.max(...losses) - low || 1, w = 110, h = 26;
  const at = losses.map((v, i) => [2 + (w - 4) * i / (losses.length - 1), 2 + (h - 4) * (1 - (v - low) / spread)].map((n) => n.toFixed(1)));
  return svg("svg", { class: "spark", width: w, height: h, role: "img", "aria-label": `loss from ${short(losses[0], 3)} to ${short(losses.at(-1), 3)}` },
    svg("polyline", { points: at.map((p) => p.join(",")).join(" ") }), svg("circle", { cx: at.at(-1)[0], cy: at.at(-1)[1], r: 2.2 }));
}

async function overview() {
  const found = await ask("overview");
  const get = parts("overview", () => [part("lead", "p", { class: "lead" }), part("rows"), part("more", "p", { class: "note" })]);
  version = Math.max(version, found.version);
  const states = Object.entries(found.states).map(([s, n]) => `${n} ${s}`).join(", ");
  get("lead").textContent = `${found.count} run${found.count === 1 ? "" : "s"}: ${states}` + (found.left_seconds ? `; about ${duration(found.left_seconds)} left` : "");
  const timed = found.rows.some((r) => r.seconds), armed = new Set(found.rows.map((r) => r.arm)).size > 1;
  const under = found.rows.some((r) => r.eta_seconds !== null), planned = found.rows.some((r) => r.steps), counted = found.rows.some((r) => r.compute_flops !== null);
  const heads = [text("run"), text("size"), ...(armed ? [text("arm")] : []), text("state"), planned ? text("step") : num("step"), text("loss"), num("now"), ...(counted ? [num("compute")] : []),
    ...(timed ? [num("time")] : []), ...(under ? [num("left")] : [])];
  get("rows").replaceChildren(table(planned ? "Runs, in the order of the plan" : "Runs, smallest size first", heads, found.rows.map((r) => [
    r.name, r.params ? `${count(r.params)}` : r.model, ...(armed ? [r.arm] : []),
    el("span", { class: `state ${["running", "finished", "failed", "diverged"].includes(r.state) ? r.state : ""}`, title: r.text }, r.state + (r.text ? `: ${r.text.slice(0, 80)}` : "")),
    r.steps ? el("span", {}, `${r.step}/${r.steps}`, bar(r.step / r.steps)) : String(r.step),
    spark(r.losses), r.test_loss === null ? "" : r.test_loss.toFixed(4), ...(counted ? [flops(r.compute_flops)] : []),
    ...(timed ? [duration(r.seconds)] : []), ...(under ? [duration(r.eta_seconds)] : [])]), { cards: true }));
  get("more").textContent = found.count > found.rows.length ? `The first ${found.rows.length} of ${found.count} runs; the CSV has all.` : "";
  origin(found);
}

function bar(share) {
  const inner = el("i");
  inner.style.width = `${Math.min(100 * share, 100)}%`;
  return el("span", { class: "bar", "aria-hidden": "true" }, inner);
}

async function curves(more) {
  const found = await ask("curves", more), s = settings();
  const get = parts("curves", () => [part("chart"), part("refused", "p", { class: "problem", hidden: true }), part("law"), part("sizes"), part("numbers")]);
  const lines = new Map((found.law?.lines ?? []).map((l) => [l.model, l]));
  const log = { x: (s.get("x") || "log") === "log", y: (s.get("y") || (s.get("measure") === "pass" ? "linear" : "log")) === "log" };
  const short_ = found.y.split(",")[0];
  const groups = found.series.map((one, i) => ({
    name: one.model, short: one.short, color: colour(i, found.series.length),
    points: { ...one, low: one.low.some((v, j) => v !== one.y[j]) ? one.low : null, text: (j) => {
      const l = lines.get(one.model), spread = one.n[j] > 1 ? ` [${short(one.low[j])} to ${short(one.high[j])}, ${one.n[j]} values]` : "";
      return `${short_} ${short(one.y[j])}${spread}\nstep ${one.step[j]}${l ? `\nlaw ${along(l, one.x[j], log.x)}` : ""}${one.inside[j] ? "" : "\nnot in the fit"}`;
    } },
    line: lines.get(one.model),
  }));
  chart(get("chart"), { label: `Curves of ${groups.length} sizes`, x: { label: found.x, log: log.x }, y: { label: found.y, log: log.y }, groups });
  get("refused").textContent = found.refused;
  get("refused").hidden = !found.refused;
  get("law").replaceChildren(el("p", { class: "note" }, "Points: means over the runs of a size" + (found.range ? `, shaded: ${found.range}` : "") +
    "; hollow: not in the fit. Lines: the law with its interval, dashed beyond the window. Drag to zoom, double-click to go back."), ...(found.law ? lawWords(found.law) : []));
  get("sizes").replaceChildren(...(found.law ? [sizesTable(found.law)] : []));
  get("numbers").replaceChildren(numbers("The points as numbers", [text("size"), num("step"), num(found.x), num(found.y), num("lowest"), num("highest")],
    () => found.series.flatMap((one) => one.x.map((x, j) => [one.model, String(one.step[j]), short(x), short(one.y[j]), short(one.low[j]), short(one.high[j])]))));
  origin(found);
  return found.law && !found.law.drawn;
}

/** A line's value with its interval at a place between its own. */
function along(line, x, log) {
  let i = line.x.findIndex((v) => v >= x);
  if (i < 0) i = line.x.length - 1;
  const j = Math.max(i - 1, 0), scale = log ? Math.log : (v) => v;
  const share = i === j ? 0 : (scale(x) - scale(line.x[j])) / (scale(line.x[i]) - scale(line.x[j]));
  const at = (a) => (a ? a[j] + (a[i] - a[j]) * Math.min(Math.max(share, 0), 1) : null);
  return within({ value: at(line.y), low: at(line.low), high: at(line.high) }, (v) => short(v, 4));
}

async function law(more) {
  const found = await ask("law", more);
  const get = parts("law", () => [part("words"), part("k"), part("note", "p", { class: "note" }), part("sizes")]);
  get("words").replaceChildren(...lawWords(found.law));
  const own = found.own, bars = own.some((o) => o.k.low !== null);
  const shorts = own.map((o) => o.model);
  const groups = [];
  if (found.k) groups.push({ name: `law ${found.law.name}`, short: "", color: token("--accent"), line: { x: found.k.x, y: found.k.value, low: found.k.low[0] === null ? null : found.k.low, high: found.k.high, text: (i) => `k ${within({ value: found.k.value[i], low: found.k.low[i], high: found.k.high[i] })}` } });
  if (own.length) groups.push({ name: "each size's own line", short: "", color: token("--ink"), radius: 4, points: {
    x: own.map((o) => o.params), y: own.map((o) => o.k.value), bars, low: bars ? own.map((o) => o.k.low) : null, high: own.map((o) => o.k.high),
    text: (i) => `${shorts[i]}\nk ${within(own[i].k)}` } });
  const known = groups.some((g) => (g.points ?? g.line).x.some((v) => v !== null));
  get("k").hidden = !known;
  if (known) {
      const ends = own.flatMap((o) => [o.k.value, o.k.low, o.k.high]), most = 2 * Math.max(...ends, ...(found.k?.value ?? []));
    const limits = ends.concat(found.k ? [...found.k.value, ...found.k.low, ...found.k.high.map((v) => Math.min(v ?? 0, most))] : []).filter((v) => v !== null);
    const x = { label: "model size N, parameters", log: true, format: count };
    chart(get("k"), { label: "Learning efficiency k against model size", x, y: { label: "learning efficiency k", log: false, range: extent(limits, false, 0.08) }, groups, ends: false });
  }
  get("note").textContent = found.own_refused ? `No size has a line of its own: ${found.own_refused}` :
    (found.k ? "" : "This law does not tie k to the size. ") + "Points: k of each size's own straight line in log-log, tied to nothing; line: k(N) of the law. Bars and band: intervals.";
  get("sizes").replaceChildren(sizesTable(found.law));
  origin(found);
  return !found.law.drawn;
}

async function residuals(more) {
  const found = await ask("law", { ...more, draws: "0" });
  const get = parts("residuals", () => [part("words"), part("panels", "div", { class: "small" })]);
  get("words").replaceChildren(el("p", { class: "note" }, "Measured minus fitted loss of each size, all on one scale: a law that holds leaves noise without a trend."), ...lawWords(found.law).slice(0, 1),
    ...found.law.cautions.filter((c) => c.code === "residual-trend").map((c) => el("p", { class: "problem" }, c.text)));
  const all = found.residuals.flatMap((r) => r.y).map(Math.abs), most = Math.max(...all, 1e-6) * 1.1;
  const names = found.residuals.map((r) => r.model).join("\n");
  if (get("panels").dataset.names !== names) {
    for (const one of drawn) one.close();
    drawn = [];
    get("panels").replaceChildren(...found.residuals.map((r, i) => el("section", {}, el("h3", { id: `r${i}` }, ""), el("div", {}))));
    get("panels").dataset.names = names;
  }
  found.residuals.forEach((r, i) => {
    const [head, box] = get("panels").children[i].children;
    head.textContent = `${r.model}, R² ${r.r2 === null ? "–" : short(r.r2, 3)}`;
    chart(box, { label: `Residuals of ${r.model}`, height: 210, key: false, ends: false, zero: true, x: { label: found.x.split(",")[0], log: true },
      y: { label: "residual", log: false, range: [-most, most] }, groups: [{ name: r.model, color: colour(i, found.residuals.length), points: { x: r.x, y: r.y, text: (j) => `residual ${short(r.y[j], 3)}` } }] });
  });
  origin(found);
}

async function compare() {
  const found = await ask("compare"), c = found.comparison;
  const get = parts("compare", () => [part("lead", "p", { class: "lead" }), part("protocol", "p", { class: "note" }), part("rows"), part("left"), part("cautions")]);
  get("lead").textContent = c.verdict;
  get("protocol").textContent = c.protocol;
  const most = Math.max(...c.laws.map((l) => l.mae));
  get("rows").replaceChildren(table(`Laws on held-out points over ${c.axis}, best first; intervals are meant to hold ${Math.round(100 * c.level)} %`,
    [text("law"), num("mean absolute error"), text(""), num("RMSE"), num("bias"), num("inside its interval")],
    c.laws.map((l) => [l.law, l.mae.toFixed(4), bar(l.mae / most), l.rmse.toFixed(4), (l.bias > 0 ? "+" : "") + l.bias.toFixed(4), l.coverage === null ? "" : `${Math.round(100 * l.coverage)} %`]),
    { best: c.laws.findIndex((l) => l.law === c.best) }));
  get("left").replaceChildren(...Object.entries(c.skipped).map(([name, why]) => el("p", { class: "note" }, `${name} left out: ${why.split("\n")[0]}`)));
  get("cautions").replaceChildren(el("ul", { class: "cautions" }, c.warnings.map((w) => el("li", {}, `${w.code}: ${w.text}`))));
  origin(found);
}

const UNITS = { compute: ["FLOPs", (v) => `${short(v, 3)} FLOPs`], "gpu-hours": ["GPU-hours", (v) => `${short(v, 3)} GPU-hours`], usd: ["money", (v) => `$${short(v, 3)}`], data: ["prompts", (v) => `${count(v)} prompts`], "unique-data": ["unique prompts", (v) => `${count(v)} unique prompts, used as often as is best`] };

async function planner() {
  const found = await ask("planner"), a = found.allocation, s = settings();
  const get = parts("planner", () => [part("slider", "form", { "aria-label": "budget" }), part("lead", "p", { class: "lead", "aria-live": "polite" }), part("rows"), part("chart"), part("note", "p", { class: "note" }), part("cross"), part("cautions")]);
  const { low, high, usual } = found.range, unit = s.get("unit") || "compute", write = UNITS[unit][1];
  const now = Number(s.get("budget")) || Number(usual.toPrecision(3)), at = Math.log(now / low) / Math.log(high / low);
  if (get("slider").dataset.range !== `${unit} ${low} ${high} ${s.get("gpu")}` || !get("slider").contains(document.activeElement)) {
    const words = el("span", {}, `budget of one run: ${write(now)}`);
    const slide = el("input", { type: "range", class: "slider", min: 0, max: 200, value: Math.round(200 * at), "aria-label": "budget", "aria-valuetext": write(now) });
    slide.addEventListener("input", () => {
      const value = Number((low * (high / low) ** (slide.value / 200)).toPrecision(2));
      words.textContent = `budget of one run: ${write(value)}`;
      slide.setAttribute("aria-valuetext", write(value));
      set({ budget: String(value) }, { redraw: false });
      clearTimeout(later);
      later = setTimeout(() => attempt(planner), 120);
    });
    get("slider").replaceChildren(el("label", { class: "wide" }, words, slide));
    get("slider").dataset.range = `${unit} ${low} ${high} ${s.get("gpu")}`;
  }
  const best = a.choices.find((c) => c.model === a.best && c.tau === a.best_tau) ?? a.choices[0];
  get("lead").textContent = `${found.budget}: train ${a.best} for ${short(best.steps, 3)} steps${unit === "unique-data" ? `, each prompt ${short(best.tau)} times` : ""}. Expected test loss ${within(best.loss, loss)}, a pass rate of ${Math.round(100 * (1 - best.loss.value))} %; ` +
    `the best of these sizes with probability ${Math.round(100 * best.probability_best)} %. Twice the budget changes the lowest loss by ${within(a.doubling, (v) => v.toFixed(4))}.` +
    (found.worth ? ` That is ${short(found.worth.gpu_hours, 3)} GPU-hours, $${short(found.worth.usd, 3)} (${found.worth.assumed}).` : "");
  get("rows").replaceChildren(table("Every size at the budget", [text("size"), num("steps"), num("prompts"), num("compute"), num("expected loss"), num("when doubled"), num("P(best)"), num("beyond what was run")],
    a.choices.map((c) => [unit === "unique-data" ? `${c.model}, tau ${short(c.tau)}` : c.model, short(c.steps, 3), c.data === null ? "" : count(c.data), flops(c.compute_flops), within(c.loss, loss), c.doubling.value.toFixed(4), `${Math.round(100 * c.probability_best)} %`, c.axis_factor > 1 ? `${short(c.axis_factor, 3)}×` : ""]),
    { best: a.choices.indexOf(best) }));
  const iso = a.iso_compute;
  get("chart").hidden = !iso.length;
  if (iso.length) {
    const n = found.sizes.length;
    const groups = found.sizes.map((z, i) => {
      const own = iso.filter((p) => p.losses[z.model]);
      const of = (end) => own.map((p) => p.losses[z.model][end]);
      return { name: z.model, short: z.short, color: colour(i, n), line: { x: own.map((p) => p.compute_flops), y: of("value"), low: of("low"), high: of("high"), text: (j) => `loss ${within(own[j].losses[z.model])}\nbest here: ${own[j].best}, P ${Math.round(100 * own[j].probability_best)} %` } };
    });
    const spent = a.budget.compute_flops ?? null;
    chart(get("chart"), { label: "Expected loss of every size against compute", x: { label: "RL compute, FLOPs", log: true }, y: { label: "expected test loss", log: true }, groups, mark: spent });
  }
  get("note").textContent = iso.length ? "Expected true loss of every size at equal compute with its interval; dashed: the budget." : "";
  get("cross").replaceChildren(...(a.crossovers.length ? [el("h2", {}, "Where the next larger size takes over"), table("Crossovers of neighbours", [text("from"), text("to"), num("compute"), text("")],
    a.crossovers.map((c) => [c.smaller, c.larger, within(c.compute_flops), c.text]))] : []));
  get("cautions").replaceChildren(el("ul", { class: "cautions" }, a.warnings.map((w) => el("li", {}, `${w.code}: ${w.text}`))));
  origin(found);
}

async function contrast() {
  const get = parts("contrast", () => [part("lead", "p", { class: "lead" }), part("note", "p", { class: "note" })]);
  const [column, values] = Object.entries(about.columns ?? {}).find(([, v]) => v.length > 1) ?? ["recipe", ["A", "B"]];
  get("lead").textContent = "Which of two arms has the better law, and is the difference real?";
  get("note").textContent = "This is worked out by a command of its own; the page will show it when it does.";
  origin({ command: `rlaw contrast ${about.data} --between ${column}=${values.slice(0, 2).join(",")}` });
}

const VIEWS = { overview, curves, law, residuals, compare, planner, contrast };

function controls(name) {
  const s = settings();
  if (!about.axes) return Object.keys(about.columns ?? {}).length && name !== "overview" ? rows() : [];
  if (name === "curves") return fitControls({ scales: true });
  if (name === "law" || name === "residuals") return fitControls();
  if (name === "compare") return [select("against", "axis", about.axes.filter((a) => ["compute", "data", "step"].includes(a.name)).map((a) => [a.name, a.name]), s.get("axis") || about.axis), ...rows()];
  if (name === "planner") {
    const units = Object.entries(UNITS).filter(([u]) => (u === "unique-data" ? (about.columns.tau ?? []).length > 1 : about.axes.some((a) => a.name === u))).map(([u, [words]]) => [u, words]);
    const change = (u) => set({ unit: u, budget: "" });
    const unit = s.get("unit") || "compute";
    return [el("fieldset", {}, el("legend", {}, "budget in"), el("div", { class: "toggle" }, units.map(([u, words]) => el("button", { type: "button", "aria-pressed": String(u === unit), onclick: () => change(u) }, words)))),
      ["gpu-hours", "usd"].includes(unit) ? select("GPU", "gpu", about.gpus.map((g) => [g, g]), s.get("gpu") || "H100") : null,
      ...rows(unit === "unique-data" ? ["tau", "arm"] : [])];
  }
  return [];
}

/** Draw the view: the fit alone while a handle moves, then with its intervals. */
async function draw({ fast = false } = {}) {
  clearTimeout(later);
  const name = view();
  await attempt(async () => {
    if (!["curves", "law"].includes(name)) { await VIEWS[name]({}); return; }
    const more = await VIEWS[name]({ draws: "0" });
    if (more) later = setTimeout(() => attempt(() => VIEWS[name]({ draws: "1000" })), fast ? SETTLED_MS : 0);
  });
}

function render() {
  const name = view();
  $("title").textContent = TITLES[name];
  document.title = `${TITLES[name]} · ${about?.data ?? ""} · rlaw`;
  for (const link of document.querySelectorAll("nav a")) {
    const here = link.getAttribute("href").split("?")[0] === name, kept = settings();
    for (const own of ["unit", "budget"]) kept.delete(own);
    link.href = link.getAttribute("href").split("?")[0] + (kept.toString() ? `?${kept}` : "");
    if (here) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  }
  const focus = document.activeElement?.closest("#controls") ? document.activeElement : null;
  const again = focus && (focus.name ? `[name="${focus.name}"]` : focus.getAttribute("aria-label") ? `[aria-label="${focus.getAttribute("aria-label")}"]` : null);
  const words = focus?.textContent;
  $("controls").replaceChildren(...controls(name).filter(Boolean));
  if (focus) (again ? $("controls").querySelector(again) : [...$("controls").querySelectorAll("button")].find((b) => b.textContent === words))?.focus();
  return draw();
}

async function renderAll({ live = false } = {}) {
  await attempt(async () => {
    const response = await fetch(`api/about?${new URLSearchParams(settings().getAll("where").map((w) => ["where", w]))}`);
    const found = await response.json();
    if (found.error) throw new Error(found.error.text);
    about = found;
    version = Math.max(version, found.version);
    $("data").textContent = about.data;
  });
  if (!about) return;
  const held = live && document.activeElement?.closest("#controls, #view form"); // a handle that is being moved stays
  await (held ? draw() : render());
}

function go(event) {
  const link = event.target.closest("nav a");
  if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
  event.preventDefault();
  history.pushState(null, "", link.getAttribute("href"));
  clear();
  render();
  $("main").focus({ preventScroll: true });
}

/** Hear of changes while the page is looked at: browsers allow six connections to one server, tabs in the dark need none. */
function follow() {
  let events = null;
  const live = (on, words) => { $("live").className = `live ${on ? "on" : "off"}`; $("live").textContent = words; };
  const listen = () => {
    if (document.hidden) { events?.close(); events = null; return; }
    if (events) return;
    events = new EventSource(`api/events?after=${version}`);
    events.addEventListener("open", () => live(true, "live"));
    events.addEventListener("error", () => live(false, "not connected"));
    events.addEventListener("change", (event) => {
      const found = JSON.parse(event.data);
      if (found.version <= version) return;
      version = found.version;
      live(true, `live, changed ${new Date().toLocaleTimeString()}`);
      renderAll({ live: true });
    });
  };
  document.addEventListener("visibilitychange", listen);
  listen();
}

document.addEventListener("click", go);
document.addEventListener("submit", (event) => event.preventDefault());
addEventListener("popstate", () => { clear(); render(); });
SCHEME.addEventListener("change", () => { if (about) draw(); });
setInterval(() => { if (about && view() === "overview" && !document.hidden) attempt(overview); }, AGAIN_MS);
renderAll().then(follow);
