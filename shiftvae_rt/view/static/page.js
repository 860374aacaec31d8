// The live page: pictures and states come in over the link, and are shown.

import { drawArrows } from "./arrows.js";
import { Link } from "./link.js";
import { History } from "./history.js";
import { Panels } from "./panels.js";
import { Places } from "./places.js";
import { Status } from "./status.js";
import { compose } from "./save.js";
import { Traces } from "./traces.js";

const find = id => document.getElementById(id);
const tables = await (await fetch("colours.json")).json();
const status = new Status(), traces = new Traces();
const panels = new Panels(find("panels"), tables, {
  hover: place => places.set("here", place),
  pin: place => places.set("pinned", place),
  key: event => { if (shown) places.key(event, step()); },
});
const DOMAIN = { in: "in domain", out: "out of domain", unknown: "domain unknown" };

let shown = null; // the picture on the screen
let newest = null; // the last one that was painted when it came
let waiting = null; // one that came and is not painted
let state = null;
let asked = false; // for a picture that has not come
let frozen = false, arrows = false, gone = false, goneSince = null, choice = "";
// For whoever measures the page from outside.
const figures = globalThis.shiftvae = { painted: 0, first_ms: null, ages_ms: [], sent_ms: [], paint_ms: [], hover_ms: [] };
const places = new Places({
  send: question => link.ask(question),
  mark: (kind, edges) => panels.mark(kind, edges),
  words: panels.words,
  figures,
});
const history = new History(picture => {
  show(picture || newest);
  goOn();
});
const still = () => frozen || history.at !== null;

function say(id, words) { if (find(id).textContent !== words) find(id).textContent = words; }

// Distance of neighbouring windows as shares of the frame.
function step() {
  const map = shown.planes.find(plane => plane.colours !== "grey" && plane.height);
  return map ? [(map.right - map.left) / map.width, (map.bottom - map.top) / map.height] : [0.02, 0.02];
}

function show(picture) {
  const started = performance.now();
  shown = picture;
  panels.show(picture);
  paintArrows();
  places.follow(picture, still());
  find("verdict").dataset.domain = picture.domain;
  say("domain", DOMAIN[picture.domain]);
  const part = picture.judged_lines < picture.height ? `, ${picture.judged_lines} of ${picture.height} lines` : "";
  say("reason", picture.judged === null ? picture.reason : `${picture.reason}; frame ${picture.judged}${part}`);
  say("legend", picture.legend);
  find("save").disabled = find("archive").disabled = false;
  about();
  figures.painted += 1;
  figures.first_ms ??= performance.now();
  figures.paint_ms = [...figures.paint_ms.slice(-999), performance.now() - started];
  figures.ages_ms = [...figures.ages_ms.slice(-999), Date.now() - picture.measured_ms];
  figures.sent_ms = [...figures.sent_ms.slice(-999), Date.now() - picture.sent_ms];
}

let arrowWords = "";

function paintArrows() {
  arrowWords = drawArrows(panels, arrows && shown ? shown : null);
}

function about() {
  if (!shown) return;
  const old = Date.now() - shown.measured_ms;
  const name = document.createElement("bdi"), strong = document.createElement("b");
  name.textContent = shown.stream;
  strong.append(name);
  const lines = shown.lines < shown.height ? `, ${shown.lines} of ${shown.height} lines` : "";
  const channel = shown.channel ? ` (${shown.channel})` : "";
  const model = shown.model_sha256 ? `, model ${shown.model_sha256.slice(0, 8)}` : "";
  const age = old < 1500 ? `${Math.max(0, Math.round(old))} ms old` : `${Math.round(old / 1000)} s old`;
  find("about").replaceChildren(strong, `${channel}: frame ${shown.frame}${lines}, ${age}${model}${frozen ? ", frozen" : history.at ? ", an earlier frame" : ""}${arrowWords ? `; ${arrowWords}` : ""}`);
}

function paintSoon() {
  requestAnimationFrame(() => {
    if (!waiting || still()) return;
    const picture = newest = waiting;
    waiting = null;
    history.add(picture);
    show(picture);
    traces.add(picture, figures.ages_ms[figures.ages_ms.length - 1]);
  });
}

// Ask for the next picture, one at a time; it comes while this one is painted. A page that nobody sees asks for none.
function ask() {
  if (asked || still() || document.hidden) return;
  asked = true;
  link.ready();
}

function streams() {
  const select = find("stream"), names = Object.keys(state.report.streams);
  const now = [...select.options].slice(1).map(option => option.value);
  if (JSON.stringify(now) !== JSON.stringify(names)) {
    select.replaceChildren(select.options[0], ...names.map(name => new Option(name, name)));
    select.value = names.includes(choice) ? choice : "";
  }
}

function linkWords() {
  if (!gone) return state ? `connected to ${location.host}` : "connecting to the service";
  const s = Math.round((Date.now() - goneSince) / 1000);
  return `The service is gone or does not answer (for ${s} s). This page goes on by itself when it is back.`;
}

const link = new Link({
  open() { asked = false; if (choice) link.choose(choice); ask(); },
  answer(message) { places.answer(message); },
  picture(picture) { asked = false; waiting = picture; paintSoon(); ask(); },
  state(found) {
    state = found;
    streams();
    status.show(state, choice || (shown ? shown.stream : ""));
    say("link", linkWords());
  },
  gone(lost) {
    gone = lost;
    goneSince = lost ? Date.now() : null;
    document.body.classList.toggle("gone", lost);
    find("link").dataset.state = lost ? "gone" : "open";
    say("link", linkWords());
  },
});

function freeze() {
  frozen = !frozen;
  find("freeze").setAttribute("aria-pressed", frozen);
  about();
  goOn();
}

function goOn() {
  if (still()) return;
  paintSoon();
  ask();
}

function toggleArrows() {
  arrows = !arrows;
  find("arrows").setAttribute("aria-pressed", arrows);
  paintArrows();
  about();
}

function download(blob, ending) {
  const anchor = document.createElement("a");
  anchor.href = URL.createObjectURL(blob);
  anchor.download = `${shown.stream.replace(/[^A-Za-z0-9_-]+/g, "_")}_${shown.frame}.${ending}`;
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(anchor.href), 10000);
}

async function saveArchive() {
  if (!shown) return;
  try {
    const answer = await fetch(`shown.npz?${new URLSearchParams({ stream: shown.stream, seq: shown.seq })}`);
    if (!answer.ok) throw new Error(await answer.text());
    download(await answer.blob(), "npz");
  } catch (error) {
    find("where").textContent = `No NPZ was saved: ${error.message}`;
  }
}

function save() {
  if (!shown) return;
  const verdict = `${find("domain").textContent} ${find("reason").textContent}`;
  const at = new Date(shown.measured_ms).toISOString();
  const lines = [`${shown.stream}${shown.channel ? ` (${shown.channel})` : ""}, frame ${shown.frame}, ${at}, model ${shown.model_sha256.slice(0, 8)}`, verdict];
  if (shown.lines < shown.height) lines.push(`${shown.lines} of ${shown.height} lines; below the white line: the frame before`);
  compose(shown, panels.words, lines).toBlob(blob => download(blob, "png"));
}

find("freeze").onclick = freeze;
document.addEventListener("visibilitychange", ask);
find("letgo").onclick = () => places.letGo();
find("arrows").onclick = toggleArrows;
find("save").onclick = save;
find("archive").onclick = saveArchive;
find("stream").onchange = event => {
  choice = event.target.value;
  history.leave();
  link.choose(choice || null);
};
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.tagName === "SELECT") return;
  if (event.key === "f") freeze();
  if (event.key === "a") toggleArrows();
  if (event.key === "s") save();
  if (event.key === "n") saveArchive();
  if (event.key === "Escape") { places.letGo(); history.leave(); }
});
setInterval(() => { about(); if (gone) say("link", linkWords()); }, 250);
