// Displacement as arrows: direction and length against the mean of what is shown.

import { aspect, element, number, valueAt } from "./panels.js";

const SIDE = 640, ACROSS = 22;

// Draws over the frame of the panels; a picture of null takes the arrows away. Says what the longest one stands for.
export function drawArrows(panels, picture) {
  const frame = panels.panels.find(panel => panel.box), [uy, ux] = ["uy", "ux"].map(name => picture?.planes.find(plane => plane.name === name));
  if (!frame || !uy || !ux) {
    panels.arrows?.remove();
    panels.arrows = null;
    return "";
  }
  if (!panels.arrows) frame.box.append(panels.arrows = element("canvas", "arrows"));
  return arrows(panels.arrows, picture, uy, ux);
}

function arrows(canvas, picture, uy, ux) {
  const high = Math.round(SIDE / aspect(picture)), step = SIDE / ACROSS, found = [];
  canvas.width = SIDE;
  canvas.height = high;
  const until = high * (uy.top + uy.fresh * (uy.bottom - uy.top)); // below are those of the frame before
  for (let y = step / 2; y < until; y += step) {
    for (let x = step / 2; x < SIDE; x += step) {
      const [down, right] = [uy, ux].map(plane => valueAt(plane, x / SIDE, y / high));
      if (down !== null && right !== null) found.push([x, y, right - (ux.mean ?? 0), down - (uy.mean ?? 0)]);
    }
  }
  const lengths = found.map(([, , right, down]) => Math.hypot(right, down)).sort((a, b) => a - b);
  const longest = lengths[Math.floor(0.98 * (lengths.length - 1))] || 1, g = canvas.getContext("2d");
  g.lineCap = "round";
  for (const [width, colour] of [[4, "#000"], [1.8, "#fff"]]) {
    g.strokeStyle = colour;
    g.lineWidth = width;
    g.beginPath();
    for (const [x, y, right, down] of found) arrow(g, x, y, right / longest * step * 0.9, down / longest * step * 0.9);
    g.stroke();
  }
  return lengths.length ? `longest arrow ${number(longest, longest)} ${uy.unit}` : "";
}

function arrow(g, x, y, right, down) {
  const length = Math.hypot(right, down);
  if (length < 1) return;
  const [tipX, tipY] = [x + right / 2, y + down / 2], head = Math.min(7, length / 2), turn = Math.atan2(down, right);
  g.moveTo(x - right / 2, y - down / 2);
  g.lineTo(tipX, tipY);
  for (const side of [2.6, -2.6]) {
    g.moveTo(tipX, tipY);
    g.lineTo(tipX + head * Math.cos(turn + side), tipY + head * Math.sin(turn + side));
  }
}
