// A chart: axes, zoom and cursor by uPlot, marks drawn here, so that every curve has its own places on the axis.
"use strict";

const VIRIDIS = ["#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725"];
const SCHEME = matchMedia("(prefers-color-scheme: dark)");
const charts = new Set();

/** A shade of viridis, 0 to 1. */
function shade(at) {
  const place = at * (VIRIDIS.length - 1), i = Math.min(Math.floor(place), VIRIDIS.length - 2);
  const parts = (hex) => [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16));
  const [a, b] = [parts(VIRIDIS[i]), parts(VIRIDIS[i + 1])];
  return `rgb(${a.map((v, k) => Math.round(v + (b[k] - v) * (place - i))).join(" ")})`;
}

/** The colour of size i of n, smallest first: away from the paper as sizes grow. */
function colour(i, n) {
  const at = n > 1 ? i / (n - 1) : 0.7;
  return SCHEME.matches ? shade(0.34 + 0.62 * at) : shade(0.8 - 0.78 * at);
}

function token(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

const PREFIX = [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "k"]];

/** A count in three figures: 591488 -> 591k. */
function count(value) {
  const found = PREFIX.find(([scale]) => Math.abs(value) >= scale * 0.9995);
  return found ? digits(value / found[0]) + found[1] : digits(value);
}

function digits(value, n = 3) {
  return value === null || value === undefined || Number.isNaN(value) ? "" : String(Number(value.toPrecision(n)));
}

/** A number as short as it goes: 3e+19 -> 3e19. */
function short(value, n = 4) {
  if (value === null || value === undefined) return "";
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e7 || size < 1e-3)) return value.toExponential(Math.max(n - 2, 0)).replace(/\.?0*e\+?/, "e");
  return digits(value, n);
}

/** Round numbers from low to high, at most about so many. */
function ticks(low, high, log, most) {
  if (log && high / low >= 3.5) {
    const decades = [];
    for (let d = Math.floor(Math.log10(low)); d <= Math.ceil(Math.log10(high)); d++) decades.push(d);
    for (const marks of [[1, 1.5, 2, 3, 4, 6, 8], [1, 2, 5], [1, 3], [1]]) {
      const found = decades.flatMap((d) => marks.map((m) => Number((m * 10 ** d).toPrecision(3)))).filter((v) => v >= low && v <= high);
      if (found.length <= most && found.length >= 2) return found;
    }
    const every = Math.ceil(decades.length / most);
    return decades.filter((d) => d % every === 0).map((d) => 10 ** d).filter((v) => v >= low && v <= high);
  }
  const rough = (high - low) / most, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough);
  const found = [];
  for (let i = Math.ceil(low / step); i <= Math.floor(high / step + 1e-9); i++) found.push(Number((i * step).toPrecision(12)));
  return found;
}

/** The ends of an axis with a margin; of what a logarithmic one can show. */
function extent(values, log, margin) {
  const usable = values.filter((v) => v !== null && Number.isFinite(v) && (!log || v > 0));
  if (!usable.length) return log ? [1, 10] : [0, 1];
  let low = usable[0], high = usable[0];
  for (const v of usable) { if (v < low) low = v; if (v > high) high = v; }
  if (log) {
    const spread = Math.max(high / low, 1.05);
    return [low / spread ** margin, high * spread ** margin];
  }
  const spread = high - low || Math.abs(high) || 1;
  return [low - spread * margin, high + spread * margin];
}

/**
 * Draw a chart into an element.
 *
 * spec.groups: {name, short, color, points: {x, y, low, high, inside, text(i)}, line: {x, y, low, high, inside}}; every
 * part may be missing. spec.x, spec.y: {label, log, format}. spec.mark: a place on x. spec.zero: a line at y = 0.
 */
class Chart {
  constructor(box, spec) {
    this.box = box;
    this.hidden = new Set();
    this.plot = document.createElement("div");
    this.plot.className = "plot";
    this.plot.tabIndex = 0;
    this.plot.setAttribute("role", "application");
    this.plot.setAttribute("aria-roledescription", "chart");
    this.tip = document.createElement("div");
    this.tip.className = "tip";
    this.tip.hidden = true;
    this.key = document.createElement("ul");
    this.key.className = "key";
    box.classList.add("chart");
    box.replaceChildren(this.plot, this.key, this.tip);
    this.plot.addEventListener("keydown", (event) => this.press(event));
    this.plot.addEventListener("blur", () => this.leave());
    this.width = 0;
    this.sizes = new ResizeObserver(() => this.resized());
    this.sizes.observe(box);
    charts.add(this);
    this.show(spec);
  }

  close() {
    this.sizes.disconnect();
    charts.delete(this);
    this.u?.destroy();
  }

  /** Show other data; what was hidden or zoomed stays. */
  show(spec) {
    const same = this.spec && ["x", "y"].every((s) => this.spec[s].log === spec[s].log && this.spec[s].label === spec[s].label);
    this.spec = spec;
    if (!same) this.zoom = null;
    this.plot.setAttribute("aria-label", `${spec.label}. ${spec.y.label} against ${spec.x.label}. Arrow keys go from point to point.`);
    this.at = null;
    this.build();
    this.keys();
  }

  get visible() {
    return this.spec.groups.filter((g) => !this.hidden.has(g.name));
  }

  ranges() {
    const all = { x: [], y: [] };
    for (const g of this.visible) {
      for (const part of [g.points, g.line]) {
        if (!part) continue;
        all.x.push(...part.x.filter((_, i) => part.y[i] !== null));
        all.y.push(...part.y);
        if (part === g.points && part.low) all.y.push(...part.low, ...part.high);
      }
    }
    const { x, y } = this.spec;
    if (this.spec.mark) all.x.push(this.spec.mark);
    if (this.spec.zero) { const most = Math.max(...all.y.map(Math.abs).filter(Number.isFinite), 1e-9); all.y.push(-most, most); }
    this.reach = { x: x.range ?? extent(all.x, x.log, 0.03), y: y.range ?? extent(all.y, y.log, 0.06) };
  }

  build() {
    this.ranges();
    const box = this.box.clientWidth - 14, { x, y } = this.spec;
    this.width = this.box.clientWidth;
    const width = Math.max(box, 200), height = this.spec.height ?? Math.round(Math.min(Math.max(width * 0.5, 280), 540));
    const ink = token("--soft"), grid = { stroke: token("--grid"), width: 1 }, font = "12px system-ui, DejaVu Sans, sans-serif";
    const room = this.spec.ends === false || width < 560 ? 12 : 20 + 7 * Math.min(Math.max(0, ...this.spec.groups.map((g) => (g.short ?? g.name).length)), 16);
    const axis = (which, size, most) => ({
      stroke: ink, grid, ticks: grid, font, labelFont: font, label: this.spec[which].label, labelSize: 20, size,
      splits: (u, i, low, high) => ticks(low, high, this.spec[which].log, most),
      filter: (u, splits) => splits,
      values: (u, splits) => splits.map(this.spec[which].format ?? ((v) => short(v, 3))),
    });
    const scale = (which) => ({ time: false, distr: this.spec[which].log ? 3 : 1, auto: true, range: () => (this.zoom ?? this.reach)[which] });
    const old = this.u;
    this.u = new uPlot({
      width, height, padding: [12, room, 0, 0],
      scales: { x: scale("x"), y: scale("y") },
      axes: [axis("x", 34, Math.max(Math.floor(width / 85), 3)), axis("y", 54, Math.max(Math.floor(height / 55), 3))],
      series: [{}, { show: false }],
      legend: { show: false },
      cursor: { points: { show: false }, drag: { x: true, y: true, setScale: false, uni: 20 }, y: false, x: false },
      hooks: {
        draw: [() => this.draw()],
        setCursor: [(u) => this.hover(u)],
        setSelect: [(u) => this.select(u)],
      },
    }, [this.reach.x, [null, null]], this.plot);
    this.u.over.addEventListener("dblclick", () => { this.zoom = null; this.build(); });
    old?.destroy();
  }

  select(u) {
    const { left, top, width, height } = u.select;
    if (width < 8 && height < 8) return;
    const x = width < 8 ? this.reach.x : [u.posToVal(left, "x"), u.posToVal(left + width, "x")];
    const y = height < 8 ? this.reach.y : [u.posToVal(top + height, "y"), u.posToVal(top, "y")];
    this.zoom = { x, y };
    this.build();
  }

  resized() {
    if (Math.abs(this.box.clientWidth - this.width) > 2) this.build();
  }

  place(x, y) {
    return [this.u.valToPos(x, "x", true), this.u.valToPos(y, "y", true)];
  }

  usable(x, y) {
    return x !== null && y !== null && (!this.spec.x.log || x > 0) && (!this.spec.y.log || y > 0);
  }

  draw() {
    const u = this.u, c = u?.ctx;
    if (!c) { queueMicrotask(() => this.u && this.u.redraw(false)); return; }
    const { left, top, width, height } = u.bbox, ratio = devicePixelRatio;
    c.save();
    c.beginPath();
    c.rect(left, top, width, height);
    c.clip();
    if (this.spec.zero) this.rule(c, [[left, this.place(1, 0)[1]], [left + width, this.place(1, 0)[1]]]);
    if (this.spec.mark) { const x = u.valToPos(this.spec.mark, "x", true); this.rule(c, [[x, top], [x, top + height]]); }
    const groups = this.visible;
    for (const g of groups) this.band(c, g.points, g.color, 0.13);
    for (const g of groups) this.band(c, g.line, g.color, 0.2);
    for (const g of groups) if (g.points) this.points(c, g, ratio);
    for (const g of groups) if (g.line) this.line(c, g, ratio);
    c.restore();
    if (this.spec.ends !== false && this.u.width >= 560) this.ends(c, groups, ratio);
  }

  rule(c, [from, to]) {
    c.strokeStyle = token("--soft");
    c.lineWidth = devicePixelRatio;
    c.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
    c.beginPath(); c.moveTo(...from); c.lineTo(...to); c.stroke();
    c.setLineDash([]);
  }

  band(c, part, color, alpha) {
    if (!part?.low || part.bars) return;
    const [, bottom] = this.reach.y, least = this.spec.y.log ? Math.min(this.reach.y[0], (this.zoom ?? this.reach).y[0]) / 10 : -Infinity;
    const up = [], down = [];
    for (let i = 0; i < part.x.length; i++) {
      const low = part.low[i], high = part.high[i];
      if (low === null || high === null || !this.usable(part.x[i], high)) continue;
      up.push(this.place(part.x[i], Math.max(high, least)));
      down.push(this.place(part.x[i], Math.max(low, least === -Infinity ? low : least)));
    }
    if (up.length < 2 || bottom === undefined) return;
    c.globalAlpha = alpha;
    c.fillStyle = color;
    c.beginPath();
    [...up, ...down.reverse()].forEach((p, i) => (i ? c.lineTo(...p) : c.moveTo(...p)));
    c.fill();
    c.globalAlpha = 1;
  }

  points(c, g, ratio) {
    const { x, y, inside } = g.points, many = x.length > 150 || this.width < 560 && x.length > 40, radius = (g.radius ?? (many ? 1.6 : 2.6)) * ratio;
    c.lineWidth = 1.2 * ratio;
    c.strokeStyle = g.color;
    for (let i = 0; i < x.length; i++) {
      if (!this.usable(x[i], y[i])) continue;
      const [px, py] = this.place(x[i], y[i]);
      c.beginPath();
      c.arc(px, py, radius, 0, 2 * Math.PI);
      c.fillStyle = !inside || inside[i] ? g.color : token("--paper");
      c.fill();
      if (inside && !inside[i]) c.stroke();
      if (g.points.bars && g.points.low[i] !== null) {
        c.beginPath(); c.moveTo(...this.place(x[i], g.points.low[i])); c.lineTo(...this.place(x[i], g.points.high[i])); c.stroke();
      }
    }
  }

  line(c, g, ratio) {
    const { x, y, inside } = g.line;
    c.strokeStyle = g.color;
    c.lineWidth = 2 * ratio;
    const stroke = (wanted, dash) => {
      c.setLineDash(dash);
      c.beginPath();
      let down = false;
      for (let i = 0; i < x.length; i++) {
        const here = this.usable(x[i], y[i]);
        const part = !inside || (inside[i] && (i === 0 || inside[i - 1])) === wanted;
        if (!here) { down = false; continue; }
        const p = this.place(x[i], y[i]);
        if (down && part) c.lineTo(...p); else c.moveTo(...p);
        down = true;
      }
      c.stroke();
    };
    stroke(true, []);
    if (inside) stroke(false, [5 * ratio, 4 * ratio]);
    c.setLineDash([]);
  }

  /** The names of curves where they end, apart from each other. */
  ends(c, groups, ratio) {
    const { left, top, width, height } = this.u.bbox, found = [];
    for (const g of groups) {
      const part = g.line ?? g.points;
      for (let i = (part?.x.length ?? 0) - 1; i >= 0; i--) {
        if (!this.usable(part.x[i], part.y[i])) continue;
        const [x, y] = this.place(part.x[i], part.y[i]);
        if (x > left + width + 1 || y < top || y > top + height) break;
        found.push({ text: [...(g.short ?? g.name)].slice(0, 16).join(""), color: g.color, x: x + 7 * ratio, y });
        break;
      }
    }
    found.sort((a, b) => a.y - b.y);
    const gap = 14 * ratio, close = (a, b) => Math.abs(a.x - b.x) < 70 * ratio;
    for (let pass = 0; pass < 30; pass++)
      for (let i = 1; i < found.length; i++) {
        const lack = gap - (found[i].y - found[i - 1].y);
        if (lack > 0 && close(found[i], found[i - 1])) { found[i - 1].y -= lack / 2; found[i].y += lack / 2; }
      }
    c.font = `600 ${12 * ratio}px system-ui, DejaVu Sans, sans-serif`;
    c.textBaseline = "middle";
    c.lineWidth = 3 * ratio;
    c.strokeStyle = token("--paper");
    for (const f of found) {
      c.strokeText(f.text, f.x, f.y);
      c.fillStyle = token("--ink");
      c.fillText(f.text, f.x, f.y);
    }
  }

  keys() {
    if (this.spec.key === false || this.spec.groups.length < 2) { this.key.replaceChildren(); return; }
    this.key.replaceChildren(...this.spec.groups.map((g) => {
      const item = document.createElement("li"), button = document.createElement("button");
      const mark = document.createElementNS("http://www.w3.org/2000/svg", "svg"), dot = document.createElementNS("http://www.w3.org/2000/svg", "circle");
      for (const [name, value] of [["width", 10], ["height", 10], ["aria-hidden", "true"]]) mark.setAttribute(name, value);
      for (const [name, value] of [["cx", 5], ["cy", 5], ["r", 4], ["fill", g.color]]) dot.setAttribute(name, value);
      mark.append(dot);
      button.type = "button";
      button.append(mark, g.name);
      button.title = "show or hide";
      button.setAttribute("aria-pressed", String(!this.hidden.has(g.name)));
      button.addEventListener("click", () => {
        if (!this.hidden.delete(g.name)) this.hidden.add(g.name);
        button.setAttribute("aria-pressed", String(!this.hidden.has(g.name)));
        this.build();
      });
      item.append(button);
      return item;
    }));
  }

  /** The point nearest to the cursor. */
  hover(u) {
    const { left, top } = u.cursor;
    if (left === undefined || left < 0) { this.leave(); return; }
    let best = null, least = 30 ** 2;
    this.visible.forEach((g, k) => {
      const part = g.points ?? g.line;
      for (let i = 0; i < (part?.x.length ?? 0); i++) {
        if (!this.usable(part.x[i], part.y[i])) continue;
        const dx = u.valToPos(part.x[i], "x") - left, dy = u.valToPos(part.y[i], "y") - top, far = dx * dx + dy * dy;
        if (far < least) { least = far; best = [k, i]; }
      }
    });
    if (best) this.point(...best); else this.leave();
  }

  press(event) {
    const groups = this.visible, part = (k) => groups[k]?.points ?? groups[k]?.line;
    const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowUp: [1, 0], ArrowDown: [-1, 0], Home: [0, -1e9], End: [0, 1e9] }[event.key];
    if (event.key === "Escape") { this.leave(); return; }
    if (!step || !groups.length) return;
    event.preventDefault();
    let [k, i] = this.at ?? [0, -1];
    const before = part(k)?.x[Math.max(i, 0)];
    k = Math.min(Math.max(k + step[0], 0), groups.length - 1);
    const places = part(k).x;
    if (step[0]) i = places.reduce((best, x, j) => (Math.abs(x - before) < Math.abs(places[best] - before) ? j : best), 0);
    i = Math.min(Math.max(i + step[1], 0), places.length - 1);
    const shown = (j) => this.usable(places[j], (groups[k].points ?? groups[k].line).y[j]), way = step[1] < 0 ? -1 : 1;
    for (const turn of [way, -way]) while (!shown(i) && i + turn >= 0 && i + turn < places.length) i += turn;
    this.point(k, i);
    document.getElementById("spoken").textContent = this.tip.textContent;
  }

  point(k, i) {
    const g = this.visible[k], part = g.points ?? g.line;
    if (!this.usable(part.x[i], part.y[i])) return;
    this.at = [k, i];
    const { x, y } = this.spec, of = (a, v) => (a.format ?? ((n) => short(n, 4)))(v);
    const text = part.text ? part.text(i) : `${y.label} ${short(part.y[i], 4)}`;
    this.tip.textContent = `${g.name}\n${x.label.split(" (")[0].split(",")[0]} ${of(x, part.x[i])}\n${text}`;
    this.tip.hidden = false;
    const px = this.u.valToPos(part.x[i], "x") + this.u.over.offsetLeft + this.plot.offsetLeft;
    const py = this.u.valToPos(part.y[i], "y") + this.u.over.offsetTop + this.plot.offsetTop;
    const right = px + this.tip.offsetWidth + 20 > this.box.clientWidth;
    this.tip.style.left = `${Math.max(right ? px - this.tip.offsetWidth - 12 : px + 12, 0)}px`;
    this.tip.style.top = `${Math.max(py - this.tip.offsetHeight - 8, 0)}px`;
  }

  leave() {
    this.tip.hidden = true;
    this.at = null;
  }
}
