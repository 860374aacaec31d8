// What a map is shown as: planes of one byte a pixel, in the order and the colours of the live page (view/planes.py).

const SAMPLE = 2048; // values, about, from which the ends of a colour bar are found
const MOST_PX = 1024; // of a plane's edge; beyond, every second, third, ... line and column is shown

// words: titles and colours by name, from the runtime.
export function pictureOf(scan, pixels, model, found, words) {
  const { height, width, pixel_size_nm } = scan, { rows, cols } = found, { stride, manifest } = model;
  const [winY, winX] = manifest.window, edges = {
    left: (winX - stride) / 2 / width, top: height > 1 ? Math.max(0, (winY - stride) / 2 / height) : 0,
  };
  edges.right = edges.left + cols * stride / width;
  edges.bottom = height > 1 ? edges.top + rows * stride / height : 1;
  const channels = model.channels, size = height * width;
  const frames = Array.from({ length: channels }, (_, c) => plane({
    name: "frame", title: channels === 1 ? "frame" : `frame, channel ${c}`, unit: "", colours: "grey",
    values: pixels.subarray(c * size, (c + 1) * size), rows: height, cols: width, left: 0, top: 0, right: 1, bottom: 1,
  }));
  const sources = sourcesOf(manifest, found, pixel_size_nm, words), maps = sources.map(source => plane({ ...source, rows, cols, ...edges }));
  return {
    kind: "picture", height, width, pixel_size_nm, lines: height, model_sha256: model.sha256, seq: found.number, legend: legendOf(manifest, found, sources, words),
    planes: [...frames, ...maps],
  };
}

// Grain and content first, then fields (else shifts), rotation and scale.
export function sourcesOf(manifest, found, pixelSize, words) {
  const size = found.rows * found.cols, part = (values, index) => values.subarray(index * size, (index + 1) * size);
  const kinds = { grain: [], content: [], field: [], rotation: [], scale: [], shift: [], order: [] };
  manifest.latents.forEach(({ name, unit, kind, kl_nats }, index) => {
    const source = { name, unit, values: part(found.mean, index), scale: 1, ...(words.latents[name] ?? { title: name, colours: "content" }) };
    if (kind === "grain") Object.assign(source, { limits: [0, Math.max(1, manifest.grains.length - 1)], values: source.values.map(each => each < 0 ? NaN : each) });
    else if (kind !== "shift" && kl_nats < words.used_nats) Object.assign(source, { title: name, colours: "unused" });
    kinds[kind].push(source);
  });
  if (found.fields) {
    kinds.shift = kinds.order = []; // the fields say what they mean
    kinds.field = fieldNames(manifest, words).map((field, index) => {
      const pm = field.unit === "px" && pixelSize, sd = part(found.fields_sd, index), values = part(found.fields, index);
      const drawn = field.name.startsWith("antiphase") ? values.map((each, at) => sd[at] < words.drawn_deg ? each : NaN) : values;
      return { ...field, unit: pm ? "pm" : field.unit, scale: pm ? 1e3 * pixelSize[field.name === "ux" ? 1 : 0] : 1, values: drawn, field: index };
    });
  }
  return Object.values(kinds).flat();
}

// What titles and units leave open.
function legendOf(manifest, found, sources, { legend }) {
  const said = [];
  if (sources.some(each => each.colours === "content" && !each.unit && !("field" in each))) said.push(legend.content);
  if (found.fields && !manifest.grains.length) said.push(legend.fields);
  if (found.fields && manifest.superlattice.length) said.push(legend.order);
  if (!found.fields && manifest.lattice.length) said.push(legend.shifts);
  return said.join(" ");
}

// Those of the lattice, then a pair for each vector of a superlattice.
export function fieldNames(manifest, words) {
  const order = manifest.superlattice.flatMap((_, i) => words.order_fields.map(each => ({ ...each, name: `${each.name}${i + 1}`, title: `${each.name}${i + 1}: ${each.title}` })));
  return [...words.fields, ...order];
}

function plane({ name, title, unit, colours, limits, values, scale = 1, rows, cols, left, top, right, bottom }) {
  const common = { name, title, unit, colours, left, top, right, bottom, fresh: 1, mean: null };
  if (colours === "unused") return { ...common, low: 0, high: 1, height: 0, width: 0, pixels: new Uint8Array() };
  const step = Math.ceil(Math.max(rows, cols) / MOST_PX), height = Math.ceil(rows / step), width = Math.ceil(cols / step);
  const shown = new Float32Array(height * width);
  let sum = 0, known = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const value = values[y * step * cols + x * step] * scale;
      shown[y * width + x] = value;
      if (Number.isFinite(value)) { sum += value; known++; }
    }
  }
  const [low, high] = limits ?? endsOf(shown, height, width, colours);
  return {
    ...common, low, high, mean: known ? sum / known : null, height, width, pixels: levels(shown, low, high),
    right: left + (right - left) * width * step / cols, bottom: rows > 1 ? top + (bottom - top) * height * step / rows : bottom,
  };
}

// Bytes 1 (low and below) to 255 (high and above); 0 where a value is not finite.
export function levels(values, low, high) {
  const found = new Uint8Array(values.length), scale = 254 / (high - low);
  for (let at = 0; at < values.length; at++) {
    const level = (values[at] - low) * scale;
    found[at] = Number.isFinite(values[at]) ? Math.min(254, Math.max(0, level)) + 1.5 : 0;
  }
  return found;
}

// Ends of a colour bar: 1st and 99th percentile; around zero or the median where that counts.
export function endsOf(values, rows, cols, colours) {
  const step = Math.max(1, Math.floor(Math.sqrt(values.length / SAMPLE))), sample = [];
  for (let y = 0; y < rows; y += step) for (let x = 0; x < cols; x += step) if (Number.isFinite(values[y * cols + x])) sample.push(values[y * cols + x]);
  if (!sample.length) return [0, 1];
  sample.sort((a, b) => a - b);
  const tail = colours === "cyclic" ? 0 : Math.floor(sample.length / 100);
  let [low, middle, high] = [tail, Math.floor(sample.length / 2), sample.length - 1 - tail].map(place => sample[place]);
  if (["signed", "cyclic", "median"].includes(colours)) {
    if (colours !== "median") middle = 0;
    const half = Math.max(high - middle, middle - low);
    [low, high] = [middle - half, middle + half];
  }
  return high > low ? [low, high] : [low - 0.5, low + 0.5];
}
