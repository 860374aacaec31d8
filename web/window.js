// What is this place? The answers of the live page (view/places.py), from what was mapped here.

import { endsOf, levels, sourcesOf } from "./picture.js";

const DRAWINGS = 7; // along an axis of the manifold

// shown: {scan, pixels, model, found, words}; at: shares [x, y] of the frame's width and height.
export function placeAnswer(shown, at, id) {
  const { scan, model, found } = shown, { height, width } = scan, { rows, cols } = found, { stride, manifest } = model;
  const [winY, winX] = manifest.window, nearest = (share, size, window, count) =>
    Math.min(count - 1, Math.max(0, Math.round((share * size - 0.5 - (window - 1) / 2) / stride)));
  const row = nearest(at[1], height, winY, rows), col = nearest(at[0], width, winX, cols), window = row * cols + col;
  const top = row * stride, left = col * stride, each = (values, index) => values[index * rows * cols + window];
  const latents = manifest.latents.map(({ name, unit }, index) => ({ name, unit, mean: each(found.mean, index), sd: each(found.sd, index) }));
  const fields = found.fields ? sourcesOf(manifest, found, scan.pixel_size_nm, shown.words).filter(source => "field" in source) : [];
  const meant = fields.map(({ name, unit, scale, field }) => ({ name, unit, mean: each(found.fields, field) * scale, sd: each(found.fields_sd, field) * scale }));
  const seen = pixelsOf(shown, top, left), drawn = model.draw(Float32Array.from(latents, latent => latent.mean), 1);
  const difference = drawn && seen.map((value, i) => value - drawn[i]), size = winY * winX;
  const [low, high] = endsOf(seen.subarray(0, size), winY, winX, "content"), half = (high - low) / 2;
  const image = (title, colours, values, ends) => ({
    title: values ? title : `not ${title}`, colours, height: winY, width: winX, low: ends[0], high: ends[1],
    pixels: values ? levels(values.subarray(0, size), ...ends) : new Uint8Array(size),
  });
  return {
    kind: "place", id, frame: shown.index + 1, y_px: top + (winY - 1) / 2, x_px: left + (winX - 1) / 2,
    left: left / width, top: top / height, right: (left + winX) / width, bottom: (top + winY) / height,
    left_over: difference && deviation(difference), values: [...latents, ...meant.filter(value => Number.isFinite(value.mean))],
    planes: [image("pixels", "grey", seen, [low, high]), image("drawn", "grey", drawn, [low, high]), image("compared", "signed", difference, [-half, half])],
  };
}

// What the decoder draws between the ends of the colour bars of the first one or two contents.
export function manifoldAnswer(shown, id) {
  const { model, found, words } = shown, { latents, window: [height, width] } = model.manifest, count = latents.length;
  const content = sourcesOf(model.manifest, found, null, words).filter(source => source.colours === "content" && !("field" in source) && source.name !== "grain").slice(0, 2);
  if (!content.length) return { kind: "unknown", id, why: "no content varies in this model" };
  const down = content.length > 1 ? DRAWINGS : 1, at = new Float32Array(down * DRAWINGS * count);
  const axes = content.map(({ name, values }, place) => {
    const index = latents.findIndex(latent => latent.name === name), [low, high] = endsOf(values, found.rows, found.cols, "content");
    for (let k = 0; k < down * DRAWINGS; k++) {
      const step = place ? Math.floor(k / DRAWINGS) : k % DRAWINGS;
      at[k * count + index] = low + (high - low) * step / (DRAWINGS - 1);
    }
    return { name, low, high };
  });
  const drawn = model.draw(at, down * DRAWINGS), across = DRAWINGS * width;
  if (!drawn) return { kind: "unknown", id, why: "the decoder of this model is not drawn here" };
  const image = new Float32Array(down * height * across), each = model.channels * height * width;
  for (let i = 0; i < image.length; i++) {
    const y = Math.floor(i / across), x = i % across, k = Math.floor(y / height) * DRAWINGS + Math.floor(x / width);
    image[i] = drawn[k * each + y % height * width + x % width];
  }
  const [low, high] = endsOf(image, down * height, across, "content");
  const plane = { title: "what the decoder draws", colours: "grey", height: down * height, width: across, low, high, pixels: levels(image, low, high) };
  return { kind: "manifold", id, model_sha256: model.sha256, across: axes[0], down: axes[1] ?? null, planes: [plane] };
}

// All channels of a window, in units of their deviation.
function pixelsOf({ scan, pixels, model }, top, left) {
  const { channel_scale, sd_floor } = model.manifest.intensity, [height, width] = model.manifest.window, size = height * width;
  const values = new Float64Array(channel_scale.length * size);
  channel_scale.forEach((scale, c) => {
    let sum = 0;
    for (let i = 0; i < size; i++) {
      const y = top + Math.floor(i / width), x = left + i % width;
      sum += values[c * size + i] = pixels[(c * scan.height + y) * scan.width + x];
    }
    for (let i = 0; i < size; i++) values[c * size + i] = (values[c * size + i] - sum / size) * scale;
  });
  const sd = Math.max(sd_floor, Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length));
  return Float32Array.from(values, value => value / sd);
}

function deviation(values) {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}
