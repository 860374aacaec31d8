/* A place under the pointer: its window in the scan, the same place in every map, and the values there. */
const atlas = document.querySelector(".atlas");
const place = document.querySelector(".place");

if (atlas && place) {
  const scan = atlas.querySelector("img.scan");
  const canvas = place.querySelector("canvas");
  const words = place.querySelector("section");
  const [height, width] = atlas.dataset.frame.split(" ").map(Number); /* px of the frame */
  const [tall, wide] = atlas.dataset.window.split(" ").map(Number);
  const [edgeY, edgeX] = atlas.dataset.edge.split(" ").map(Number); /* of a pixel, in the unit */
  const maps = [...atlas.querySelectorAll("img[data-low]")].map((image) => ({ image, ...image.dataset }));
  let at = null; /* the window's middle, px */
  let pinned = false;

  const tables = {};
  for (const [name, text] of Object.entries(atlas.dataset).filter(([key]) => key.startsWith("table"))) {
    tables[name] = text.match(/.{6}/g).map((c) => [0, 2, 4].map((i) => parseInt(c.slice(i, i + 2), 16)));
  }

  /* Value of a map at a share of the frame, in words; null where it has none. */
  function valueAt(map, x, y) {
    if (!map.pixels) {
      const copy = document.createElement("canvas");
      copy.width = map.image.naturalWidth;
      copy.height = map.image.naturalHeight;
      const context = copy.getContext("2d", { willReadFrequently: true });
      context.drawImage(map.image, 0, 0);
      map.pixels = context.getImageData(0, 0, copy.width, copy.height);
    }
    const [left, top, w, h] = map.box.split(" ").map(Number);
    const { width: cols, height: rows, data } = map.pixels;
    const col = Math.floor(((x - left) / w) * cols);
    const row = Math.floor(((y - top) / h) * rows);
    if (col < 0 || row < 0 || col >= cols || row >= rows) return null;
    const [r, g, b, a] = data.slice(4 * (row * cols + col), 4 * (row * cols + col) + 4);
    if (a < 128) return null;
    let best = 0;
    let least = Infinity;
    tables[map.table].forEach((c, i) => {
      const d = (c[0] - r) ** 2 + (c[1] - g) ** 2 + (c[2] - b) ** 2;
      if (d < least) [least, best] = [d, i];
    });
    const value = Number(map.low) + (best / 255) * (map.high - map.low);
    const beyond = best === 0 ? "≤ " : best === 255 ? "≥ " : "";
    return `${beyond}${value.toFixed(Number(map.decimals))}`;
  }

  function line(name, value) {
    const row = document.createElement("div");
    const strong = document.createElement("b");
    row.append(name, strong);
    strong.textContent = value;
    return row;
  }

  function show(y, x) {
    at = [Math.min(Math.max(y, tall / 2), height - tall / 2), Math.min(Math.max(x, wide / 2), width - wide / 2)];
    const [cy, cx] = at;
    for (const mark of atlas.querySelectorAll(".mark")) {
      mark.style.display = "block";
      mark.style.left = `${(100 * (cx - wide / 2)) / width}%`;
      mark.style.top = `${(100 * (cy - tall / 2)) / height}%`;
      mark.style.width = `${(100 * wide) / width}%`;
      mark.style.height = `${(100 * tall) / height}%`;
    }
    const [sx, sy] = [scan.naturalWidth / width, scan.naturalHeight / height];
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.drawImage(scan, (cx - wide / 2) * sx, (cy - tall / 2) * sy, wide * sx, tall * sy, 0, 0, canvas.width, canvas.height);
    const unit = atlas.dataset.unit;
    const digits = unit === "px" ? 0 : 2;
    words.replaceChildren(line("y, x", `${(cy * edgeY).toFixed(digits)}, ${(cx * edgeX).toFixed(digits)} ${unit}`));
    for (const map of maps) {
      const value = valueAt(map, cx / width, cy / height);
      if (value !== null) words.append(line(map.name, `${value} ${map.unit}`));
    }
    place.hidden = false;
  }

  function from(event) {
    const map = event.target.closest(".map");
    if (!map) return;
    const box = map.getBoundingClientRect();
    show(((event.clientY - box.top) / box.height) * height, ((event.clientX - box.left) / box.width) * width);
  }

  function hide() {
    place.hidden = true;
    for (const mark of atlas.querySelectorAll(".mark")) mark.style.display = "none";
  }

  atlas.addEventListener("pointermove", (event) => pinned || from(event));
  atlas.addEventListener("pointerleave", () => pinned || hide());
  atlas.addEventListener("click", (event) => {
    pinned = event.target.closest(".map") !== null && !pinned;
    if (pinned) from(event);
  });
  atlas.addEventListener("keydown", (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (event.key === "Escape") [pinned] = [false, hide()];
    if (!step) return;
    event.preventDefault();
    const [y, x] = at ?? [height / 2, width / 2];
    pinned = true;
    show(y + (step[0] * tall) / 4, x + (step[1] * wide) / 4);
  });
}

addEventListener("beforeprint", () => {
  for (const folded of document.querySelectorAll("details")) folded.open = true;
});
