// What is shown as one PNG: every panel with its title, colour bar and scale bar, and the verdict.

import { aspect, paint, ramp, scaleBar, ticks } from "./panels.js";

const SIDE = 300, GAP = 16, FONT = "13px system-ui, sans-serif";

export function compose(picture, words, lines) {
  const columns = Math.min(4, picture.planes.length), rows = Math.ceil(picture.planes.length / columns);
  const high = SIDE / aspect(picture), cell = 20 + high + 34;
  const canvas = document.createElement("canvas"), g = canvas.getContext("2d");
  canvas.width = GAP + columns * (SIDE + GAP);
  g.font = FONT;
  const below = wrapped(g, picture.legend, canvas.width - 2 * GAP);
  canvas.height = GAP + 18 * (lines.length + below.length) + rows * (cell + GAP);
  g.fillStyle = "#14171b";
  g.fillRect(0, 0, canvas.width, canvas.height);
  g.font = FONT;
  g.imageSmoothingEnabled = false;
  g.fillStyle = "#e6e9ee";
  lines.forEach((line, at) => g.fillText(line, GAP, GAP + 18 * at + 6, canvas.width - 2 * GAP));
  picture.planes.forEach((plane, at) => {
    const x = GAP + at % columns * (SIDE + GAP), y = GAP + 18 * lines.length + Math.floor(at / columns) * (cell + GAP);
    panel(g, picture, plane, words, x, y, high);
  });
  g.fillStyle = "#a9b2bd";
  below.forEach((line, at) => g.fillText(line, GAP, canvas.height - 18 * (below.length - at) + 4));
  return canvas;
}

function wrapped(g, text, width) {
  const lines = [];
  for (const word of text.split(" ")) {
    const longer = lines.length ? `${lines[lines.length - 1]} ${word}` : word;
    if (lines.length && g.measureText(longer).width <= width) lines[lines.length - 1] = longer;
    else if (word) lines.push(word);
  }
  return lines;
}

function panel(g, picture, plane, words, x, y, high) {
  g.fillStyle = "#e6e9ee";
  g.fillText(`${plane.title}${plane.unit ? `  (${plane.unit})` : ""}`, x, y + 13, SIDE);
  y += 20;
  g.save();
  g.beginPath();
  g.rect(x, y, SIDE, high);
  g.clip();
  g.fillStyle = plane.colours === "unused" ? "#606060" : "#000";
  g.fillRect(x, y, SIDE, high);
  if (plane.colours === "unused") {
    g.fillStyle = "#fff";
    g.fillText("no variation found", x + 80, y + high / 2, SIDE);
    g.restore();
    return;
  }
  const image = document.createElement("canvas");
  paint(image, plane, words[plane.colours]);
  g.drawImage(image, x + plane.left * SIDE, y + plane.top * high, (plane.right - plane.left) * SIDE, (plane.bottom - plane.top) * high);
  if (plane.fresh < 1) {
    const from = y + (plane.top + plane.fresh * (plane.bottom - plane.top)) * high;
    g.fillStyle = "rgb(0 0 0 / .4)";
    g.fillRect(x, from, SIDE, y + high - from);
    g.fillStyle = "#fff";
    g.fillRect(x, from, SIDE, 1);
  }
  const bar = scaleBar(picture);
  if (bar) {
    const from = y + 0.95 * high;
    g.fillStyle = "rgb(0 0 0 / .65)";
    g.fillRect(x + 0.05 * SIDE - 3, from - 22, Math.max(bar.share * SIDE, g.measureText(bar.words).width) + 6, 26);
    g.fillStyle = "#fff";
    g.fillRect(x + 0.05 * SIDE, from - 3, bar.share * SIDE, 4);
    g.fillText(bar.words, x + 0.05 * SIDE, from - 8);
  }
  g.restore();
  if (plane.colours === "grey") return;
  if (plane.height > 1) {
    const colours = document.createElement("canvas");
    paint(colours, ramp(plane), words[plane.colours]);
    g.drawImage(colours, x, y + high + 4, SIDE, 8);
  }
  g.fillStyle = "#e6e9ee";
  ticks(plane).forEach(([share, word]) => {
    g.textAlign = share === 0 ? "left" : share === 1 ? "right" : "center";
    g.fillText(word, x + share * SIDE, y + high + 26);
  });
  g.textAlign = "left";
}
