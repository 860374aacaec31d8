// Age, score and means over time, drawn by uPlot (its licence is in uplot/).

const MOST = 1500, EVERY_S = 0.2, REDRAW_MS = 1000, LEAST_S = 10;
const SOFT = "#a9b2bd", LINE = "#39414b";
const CHARTS = [["age in ms", "#8ab8ff"], ["score of the verdict, limit 1", "#ff9a5c"], ["mean over the last complete frame", "#56c596"]];
const MEANINGLESS = ["unused", "label", "cyclic"]; // their mean says nothing
const find = id => document.getElementById(id);

export class Traces {
  constructor() {
    this.key = "";
    this.charts = null;
    this.points = []; // [s, age, score, means by name]
    this.changed = false;
    this.chosen = "";
    find("traced").onchange = event => {
      this.chosen = event.target.value;
      this.draw();
    };
    setInterval(() => { if (!document.hidden && this.changed) this.draw(); }, REDRAW_MS);
  }

  add(picture, ageMs) {
    const planes = picture.planes.filter(plane => !MEANINGLESS.includes(plane.colours));
    const key = JSON.stringify([picture.stream, picture.model_sha256, planes.map(plane => [plane.name, plane.unit])]);
    if (key !== this.key) {
      this.key = key;
      this.points = [];
      this.means = {};
      this.choices(planes);
    }
    if (picture.lines === picture.height && planes.every(plane => plane.mean !== null && plane.fresh === 1)) {
      this.means = Object.fromEntries(planes.map(plane => [plane.name, plane.mean])); // of a part they would jump
    }
    const now = picture.measured_ms / 1000, last = this.points[this.points.length - 1];
    if (last && now - last[0] < EVERY_S) return;
    this.points.push([now, ageMs, picture.score, this.means]);
    if (this.points.length > MOST) this.points.shift();
    this.changed = true;
    if (!this.charts) this.load();
  }

  choices(planes) {
    const select = find("traced");
    select.replaceChildren(...planes.map(plane => new Option(plane.unit ? `${plane.name} (${plane.unit})` : plane.name, plane.name)));
    const first = planes.find(plane => plane.colours !== "grey") || planes[0];
    select.value = planes.some(plane => plane.name === this.chosen) ? this.chosen : first.name;
  }

  // The library is loaded after the first picture.
  load() {
    this.charts = [];
    const style = document.createElement("link"), script = document.createElement("script");
    Object.assign(style, { rel: "stylesheet", href: "uplot/uPlot.min.css" });
    script.src = "uplot/uPlot.iife.min.js";
    script.onload = () => this.make();
    document.head.append(style, script);
  }

  make() {
    find("traces").hidden = false;
    const axis = { stroke: SOFT, grid: { stroke: LINE, width: 1 }, ticks: { stroke: LINE }, font: "12px system-ui, sans-serif" };
    const scales = { x: { range: (_, from, to) => from === null ? [from, to] : [Math.min(from, to - LEAST_S), to] } };
    const line = { width: 1.5, points: { show: false } }, cursor = { drag: { x: false, y: false } };
    this.charts = CHARTS.map(([title, stroke], at) => {
      const series = [{}, { ...line, stroke }, ...(at === 1 ? [{ ...line, stroke: SOFT, dash: [6, 4] }] : [])];
      const options = { title, ...this.size(), series, scales, axes: [axis, { ...axis, size: 56 }], legend: { show: false }, cursor };
      const chart = new globalThis.uPlot(options, series.map(() => []), find("charts"));
      chart.root.setAttribute("role", "img");
      return chart;
    });
    new ResizeObserver(() => {
      const size = this.size();
      this.charts.filter(chart => chart.width !== size.width).forEach(chart => chart.setSize(size));
    }).observe(find("charts"));
    this.draw();
  }

  size() {
    const width = find("charts").clientWidth, columns = width > 700 ? 3 : 1;
    return { width: Math.max(200, Math.floor((width - 12 * (columns - 1)) / columns)), height: 150 };
  }

  draw() {
    if (!this.charts?.length) return;
    this.changed = false;
    const name = find("traced").value, column = pick => this.points.map(pick);
    const times = column(each => each[0]), rows = [column(each => each[1]), column(each => each[2]), column(each => each[3][name] ?? null)];
    this.charts.forEach((chart, at) => {
      chart.setData(at === 1 ? [times, rows[1], times.map(() => 1)] : [times, rows[at]]);
      const last = rows[at][times.length - 1];
      const title = at === 2 ? `mean of ${name}` : CHARTS[at][0];
      chart.root.setAttribute("aria-label", `${title} over time, at last ${last === null || last === undefined ? "unknown" : last.toPrecision(3)}`);
    });
  }
}
