// A scan and a model are dropped, and the maps are shown. Everything happens in this page; nothing leaves the computer.

import { drawArrows } from "../shiftvae_rt/view/static/arrows.js";
import { Panels } from "../shiftvae_rt/view/static/panels.js";
import { Places } from "../shiftvae_rt/view/static/places.js";
import { compose } from "../shiftvae_rt/view/static/save.js";
import { Model, Refusal, WINDOW } from "./library.js";
import { mapsAsNpz } from "./npz.js";
import { pictureOf } from "./picture.js";
import { isModel, readScan } from "./scans.js";
import { block } from "./unpack.js";
import { manifoldAnswer, placeAnswer } from "./window.js";

const FIRST_STRIDE = 4, OTHER_STRIDE = 8; // 8 is a multiple of every usual stride
const TOLERANCE = 0.03; // of the pixel size, as in the runtime
const find = id => document.getElementById(id);
const words = JSON.parse(find("words").textContent);
// For whoever measures the page from outside.
const figures = globalThis.shiftvae = { mapped: 0, map_ms: [], open_ms: [], hover_ms: [] };

let scan = null; // what a reader gave
let file = null; // {name, bytes} of a model
let model = null; // of `file`, at the stride that is chosen
let shown = null; // {scan, pixels, index, model, found, words, picture}
let arrows = false;
let work = Promise.resolve(); // one thing after another

const panels = new Panels(find("panels"), words.tables, {
  hover: place => places.set("here", place),
  pin: place => places.set("pinned", place),
  key: event => { if (shown) places.key(event, [model.stride / scan.width, model.stride / scan.height]); },
});
const places = new Places({
  send: question => { if (shown) answer(question); },
  mark: (kind, edges) => panels.mark(kind, edges),
  words: panels.words,
  figures,
});

function answer(question) {
  try {
    places.answer(question.manifold ? manifoldAnswer(shown, question.id) : placeAnswer(shown, question.place, question.id));
  } catch (error) {
    tell(error);
  }
}

function say(id, text) { if (find(id).textContent !== text) find(id).textContent = text; }

// What went wrong, or nothing. Our own mistakes go to the console too.
function tell(error) {
  find("wrong").hidden = !error;
  say("wrong", error?.message ?? "");
  if (error && !(error instanceof Refusal)) console.error(error);
}

function about() {
  const size = each => each.count > 1 ? `${each.count} frames of ${each.height} x ${each.width} px` : `${each.height} x ${each.width} px`;
  say("scanname", scan ? `${scan.name}, ${size(scan)}` : "none yet");
  say("modelname", file ? `${file.name}, ${model.sha256.slice(0, 8)}` : "none yet");
}

const library = await block("library").then(bytes => WebAssembly.compile(bytes));

// A model at this stride. Without one, at the usual stride, or at the other for a model without it.
function opened(bytes, stride) {
  const began = performance.now();
  try {
    return new Model(library, bytes, stride ?? FIRST_STRIDE);
  } catch (error) {
    if (stride || error.code !== WINDOW) throw error;
    return new Model(library, bytes, OTHER_STRIDE);
  } finally {
    figures.open_ms.push(performance.now() - began);
  }
}

function strides() {
  const all = [...new Set([...model.manifest.strides, model.stride])];
  find("stride").replaceChildren(...all.map(each => new Option(`${each} px`, each, false, each === model.stride)));
  find("stride").disabled = false;
}

// Files of either kind, in any order; the last of each kind counts.
async function take(files) {
  tell(null);
  for (const { name, bytes } of files) {
    if (isModel(bytes)) {
      model = opened(bytes);
      file = { name, bytes };
      strides();
    } else {
      scan = await readScan(bytes, name);
      find("frame").max = scan.count;
      find("frame").value = 1;
      find("stack").hidden = scan.count < 2;
      say("count", `of ${scan.count}`);
      find("pixel").value = scan.pixel_size_nm ? Number(scan.pixel_size_nm[1].toPrecision(6)) : "";
    }
  }
  await map();
}

// Pixels (channels, height, width) of the frame that is chosen.
async function frame(index) {
  const { channels, manifest } = model;
  if ((manifest.dimensions === 1) !== (scan.height === 1)) {
    throw new Refusal(manifest.dimensions === 1 ? "The model is one of line signals: expected an .npy of (length,)." : "The model is one of images, and this is a line signal.");
  }
  if (channels === 1) return scan.take(index);
  if (scan.count !== channels) throw new Refusal(`The model takes frames of ${channels} channels: expected an .npy or a .tif of ${channels} images, got ${scan.count}.`);
  const parts = await Promise.all(Array.from({ length: channels }, (_, c) => scan.take(c))), size = parts[0].length;
  const pixels = new parts[0].constructor(channels * size);
  parts.forEach((part, c) => pixels.set(part, c * size));
  return pixels;
}

function checkPixelSize() {
  const theirs = model.manifest.pixel_size_nm, own = scan.pixel_size_nm;
  if (!theirs || !own) return;
  for (const axis of [0, 1]) {
    if (Math.abs(own[axis] / theirs[axis] - 1) <= TOLERANCE) continue;
    const name = "yx"[axis], ratio = (own[axis] / theirs[axis]).toPrecision(3);
    throw new Refusal(`The frame has ${own[axis].toPrecision(5)} nm/px in ${name}, the model was trained at ${theirs[axis].toPrecision(5)} nm/px, more than 3 % apart: resample the frame by ${ratio} in ${name}, or train at this magnification.`);
  }
}

async function map() {
  about();
  if (!scan || !model) {
    say("state", scan ? "Now a model (.svae)." : model ? "Now a scan." : find("state").dataset.first);
    return;
  }
  checkPixelSize();
  const index = scan.count > 1 ? Math.min(scan.count, Math.max(1, Number(find("frame").value) || 1)) - 1 : 0;
  const pixels = await frame(index);
  const found = await model.map(pixels, scan.height, scan.width, share => say("state", `Mapping: ${Math.round(100 * share)} %`));
  found.number = ++figures.mapped;
  shown = { scan, pixels, index, model, found, words };
  shown.picture = pictureOf(scan, pixels, model, found, words);
  figures.map_ms.push(found.busy_ms);
  show();
  say("state", `${(found.rows * found.cols).toLocaleString("en")} windows.`);
}

function show() {
  const { picture, found: { verdict } } = shown;
  panels.show(picture);
  paintArrows();
  places.model = ""; // the manifold is one of this frame
  places.follow(picture, true);
  find("drop").classList.add("small");
  say("legend", picture.legend);
  find("verdict").dataset.domain = verdict ? verdict.score > 1 ? "out" : "in" : "unknown";
  say("domain", verdict ? verdict.score > 1 ? "out of domain" : "in domain" : "domain unknown");
  say("reason", verdict ? `(score ${verdict.score.toPrecision(3)})${verdict.reason ? `: ${verdict.reason}` : ""}` : "(the model does not tell)");
  find("save").disabled = find("archive").disabled = false;
}

function paintArrows() {
  say("longest", drawArrows(panels, arrows && shown ? shown.picture : null));
}

function toggleArrows() {
  arrows = !arrows;
  find("arrows").setAttribute("aria-pressed", arrows);
  paintArrows();
}

// Does one thing after another, so that files that come while a frame is mapped wait their turn.
function queue(body) {
  work = work.then(body).catch(error => {
    say("state", "");
    if (model?.broken) model = opened(file.bytes, model.stride);
    about();
    if (model) strides(); // what is chosen is what is shown
    tell(error);
  });
  return work;
}

function takeFiles(list) {
  const files = [...list];
  return queue(async () => take(await Promise.all(files.map(async each => ({ name: each.name, bytes: new Uint8Array(await each.arrayBuffer()) })))));
}

function again(change) {
  return queue(async () => {
    tell(null);
    change?.();
    await map();
  });
}

function download(blob, ending) {
  const anchor = document.createElement("a");
  anchor.href = URL.createObjectURL(blob);
  anchor.download = `${shown.scan.name.replace(/\.[^.]*$/, "").replace(/[^A-Za-z0-9_-]+/g, "_")}_${shown.index + 1}.${ending}`;
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(anchor.href), 10000);
}

function save() {
  if (!shown) return;
  const { picture, model: { sha256, stride } } = shown, frameWords = shown.scan.count > 1 ? `, frame ${shown.index + 1}` : "";
  const lines = [`${shown.scan.name}${frameWords}, stride ${stride} px, model ${sha256.slice(0, 8)}`, `${find("domain").textContent} ${find("reason").textContent}`];
  compose(picture, panels.words, lines).toBlob(blob => download(blob, "png"));
}

function saveArchive() {
  if (shown) download(new Blob([mapsAsNpz(shown)]), "npz");
}

find("files").onchange = event => { takeFiles(event.target.files); event.target.value = ""; };
find("stride").onchange = event => again(() => { model = opened(file.bytes, Number(event.target.value)); });
find("frame").onchange = () => again();
find("pixel").onchange = event => again(() => {
  const size = Number(event.target.value);
  if (scan) scan = { ...scan, pixel_size_nm: size > 0 ? [size, size] : null };
});
find("arrows").onclick = toggleArrows;
find("save").onclick = save;
find("archive").onclick = saveArchive;
find("letgo").onclick = () => places.letGo();
document.addEventListener("dragover", event => event.preventDefault());
document.addEventListener("dragenter", () => document.body.classList.add("over"));
document.addEventListener("dragleave", event => { if (!event.relatedTarget) document.body.classList.remove("over"); });
document.addEventListener("drop", event => {
  event.preventDefault();
  document.body.classList.remove("over");
  takeFiles(event.dataTransfer.files);
});
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.altKey || event.metaKey || ["SELECT", "INPUT"].includes(event.target.tagName)) return;
  if (event.key === "a") toggleArrows();
  if (event.key === "s") save();
  if (event.key === "n") saveArchive();
  if (event.key === "Escape") places.letGo();
});
find("files").disabled = false;
queue(async () => {
  const demo = [];
  for (const [id, name] of [["demo-scan", "demo.tif"], ["demo-model", "demo.svae"]]) {
    const bytes = await block(id);
    if (bytes) demo.push({ name, bytes });
  }
  await take(demo);
});
