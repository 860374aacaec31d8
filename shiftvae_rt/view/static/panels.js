// The panels: one for each plane of a picture, all showing the same part of the sample.

const NICE_NM = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];

// Words of a canvas (ABGR) for the bytes of a plane: 0 is transparent, 1 to 255 go through the table.
export function wordsOf(tables) {
  const found = {};
  for (const [name, hex] of Object.entries(tables)) {
    if (hex.length !== 6 * 256) continue;
    const words = new Uint32Array(256);
    for (let level = 1; level < 256; level++) {
      const place = 6 * Math.round((level - 1) * 255 / 254);
      const [r, g, b] = [0, 2, 4].map(at => parseInt(hex.slice(place + at, place + at + 2), 16));
      words[level] = 0xff000000 | b << 16 | g << 8 | r;
    }
    found[name] = words;
  }
  found.median = found.signed; // light grey at the median
  found.label = found.content; // as many colours of it as there are labels, evenly apart
  return found;
}

const labels = plane => plane.colours === "label" ? Array.from({ length: plane.high + 1 }, (_, at) => at) : null;

// A plane that goes through the colours of another from left to right.
export function ramp(plane) {
  const steps = labels(plane)?.length;
  const level = at => 1 + (steps ? Math.round(254 * Math.floor(at * steps / 255) / (steps - 1)) : at);
  return { width: 255, height: 2, pixels: Uint8Array.from({ length: 510 }, (_, at) => level(at % 255)) };
}

export function number(value, span) {
  const decimals = Math.max(0, 1 - Math.floor(Math.log10(span)));
  return decimals < 5 && Math.abs(value) < 1e5 ? value.toFixed(decimals) : value.toExponential(1);
}

// Words below a colour bar, as [share of its length, word]: its ends and middle, or every label.
export function ticks(plane) {
  const named = labels(plane);
  if (named) return named.map(label => [(label + 0.5) / named.length, String(label)]);
  const { low, high } = plane, span = high - low;
  return [low, (low + high) / 2, high].map((value, at) => [at / 2, number(value === 0 ? 0 : value, span)]);
}

// Length of the scale bar as a share of the width, and its words; null if the pixel size is unknown.
export function scaleBar(picture) {
  if (!picture.pixel_size_nm) return null;
  const width = picture.width * picture.pixel_size_nm[1];
  const length = NICE_NM.filter(each => each <= 0.35 * width).pop();
  return length ? { share: length / width, words: `${length} nm` } : null;
}

// Width of the frame over its height, as the sample has it; a signal is drawn as a curve.
export function aspect(picture) {
  const [y, x] = picture.pixel_size_nm || [1, 1];
  return picture.height === 1 ? 4 : picture.width * x / (picture.height * y);
}

export function element(tag, className, ...children) {
  const made = document.createElement(tag);
  made.className = className;
  made.append(...children);
  return made;
}

export function paint(canvas, plane, words) {
  const context = canvas.getContext("2d");
  if (plane.height === 1) return curve(canvas, context, plane);
  if (canvas.width !== plane.width || canvas.height !== plane.height || !canvas.image) {
    canvas.width = plane.width;
    canvas.height = plane.height;
    canvas.image = context.createImageData(plane.width, plane.height);
    canvas.words = new Uint32Array(canvas.image.data.buffer);
  }
  const { pixels } = plane, out = canvas.words;
  for (let at = 0; at < pixels.length; at++) out[at] = words[pixels[at]];
  context.putImageData(canvas.image, 0, 0);
}

function curve(canvas, context, plane) {
  canvas.width = plane.width;
  canvas.height = 160;
  context.strokeStyle = context.fillStyle = "#e6e9ee";
  context.beginPath();
  plane.pixels.forEach((level, x) => {
    const y = 159 - (level - 1) * 158 / 254;
    if (plane.colours === "cyclic") { if (level) context.fillRect(x, y, 1, 2); }
    else if (level) context.lineTo(x + 0.5, y);
  });
  context.stroke();
}

// Value of a plane at a place, shares of its frame; null where there is none.
export function valueAt(plane, x, y) {
  const col = Math.floor((x - plane.left) / (plane.right - plane.left) * plane.width);
  const row = plane.height === 1 ? 0 : Math.floor((y - plane.top) / (plane.bottom - plane.top) * plane.height);
  const level = col >= 0 && col < plane.width && row >= 0 && row < plane.height ? plane.pixels[row * plane.width + col] : 0;
  return level ? plane.low + (level - 1) / 254 * (plane.high - plane.low) : null;
}

export class Panels {
  // on: {hover(place or null), pin(place), key(event)}; a place is [x, y], shares of the frame.
  constructor(root, tables, on) {
    this.root = root;
    this.on = on;
    this.words = wordsOf(tables);
    this.key = "";
    this.panels = [];
  }

  show(picture) {
    const key = JSON.stringify([aspect(picture), picture.planes.map(p => [p.title, p.unit, p.colours, p.left, p.top, p.right, p.bottom])]);
    if (key !== this.key) {
      this.key = key;
      this.panels = picture.planes.map(plane => this.make(picture, plane));
      this.root.replaceChildren(...this.panels.map(panel => panel.figure));
      this.arrows = null;
    }
    const bar = scaleBar(picture);
    picture.planes.forEach((plane, index) => this.update(this.panels[index], picture, plane, bar));
  }

  make(picture, plane) {
    const title = element("span", "title", plane.title), box = element("div", "box");
    const figure = element("figure", "panel", element("figcaption", "", title, element("span", "unit", plane.unit)), box);
    box.style.aspectRatio = aspect(picture);
    if (plane.colours === "unused") {
      figure.classList.add("unused");
      box.append(element("p", "", "no variation found"));
      return { figure };
    }
    const canvas = element("canvas", ""), old = element("div", "old"), words = element("span", "");
    const scale = element("div", "scale", words);
    const spots = [element("div", "spot pin"), element("div", "spot")];
    spots.forEach(spot => { spot.hidden = true; });
    this.listen(box);
    const percent = share => `${100 * share}%`;
    Object.assign(canvas.style, {
      left: percent(plane.left), top: percent(plane.top),
      width: percent(plane.right - plane.left), height: percent(plane.bottom - plane.top),
    });
    canvas.setAttribute("role", "img");
    box.append(canvas, old, scale, ...spots);
    if (plane.colours === "grey") {
      figure.classList.add("frame"); // the numbers of the detector are of no use here
      box.tabIndex = 0;
      box.setAttribute("role", "group");
      box.setAttribute("aria-label", `${plane.title}: the arrow keys move the cursor, Enter pins a place`);
      box.onkeydown = event => this.on.key(event);
      return { figure, canvas, old, scale, words, spots, box };
    }
    const bar = element("canvas", ""), labels = ticks(plane).map(() => element("span", ""));
    bar.setAttribute("aria-hidden", "true");
    bar.hidden = plane.height === 1; // a curve has no colours
    paint(bar, ramp(plane), this.words[plane.colours]);
    const below = element("div", plane.colours === "label" ? "bar labels" : "bar", bar, ...labels);
    below.style.gridTemplateColumns = `repeat(${labels.length}, 1fr)`;
    figure.append(below);
    return { figure, canvas, old, scale, words, labels, spots };
  }

  listen(box) {
    const place = event => {
      const rect = box.getBoundingClientRect();
      return [event.clientX - rect.left, event.clientY - rect.top].map((at, axis) => Math.min(1, Math.max(0, at / [rect.width, rect.height][axis])));
    };
    box.onpointermove = event => this.on.hover(place(event));
    box.onpointerleave = event => { if (event.pointerType === "mouse") this.on.hover(null); };
    box.onclick = event => this.on.pin(place(event));
  }

  // Frames a window, given by its edges; kind 1: where the cursor is, 0: the pinned one.
  mark(kind, edges) {
    for (const { spots } of this.panels) {
      if (!spots) continue;
      spots[kind].hidden = !edges;
      if (edges) Object.assign(spots[kind].style, {
        left: `${100 * edges.left}%`, top: `${100 * edges.top}%`,
        width: `${100 * (edges.right - edges.left)}%`, height: `${100 * (edges.bottom - edges.top)}%`,
      });
    }
  }

  update(panel, picture, plane, bar) {
    if (!panel.canvas) return;
    paint(panel.canvas, plane, this.words[plane.colours]);
    const from = plane.top + plane.fresh * (plane.bottom - plane.top);
    panel.old.hidden = plane.fresh >= 1;
    panel.old.style.top = `${100 * from}%`;
    panel.scale.hidden = !bar;
    if (bar) {
      panel.scale.style.width = `${100 * bar.share}%`;
      if (panel.words.textContent !== bar.words) panel.words.textContent = bar.words;
    }
    let about = plane.title;
    if (panel.labels) {
      const said = ticks(plane).map(([, word]) => word);
      panel.labels.forEach((label, at) => { if (label.textContent !== said[at]) label.textContent = said[at]; });
      about += `, ${said[0]} to ${said[said.length - 1]} ${plane.unit}`;
    }
    if (panel.about !== about) panel.canvas.setAttribute("aria-label", panel.about = about);
  }
}
