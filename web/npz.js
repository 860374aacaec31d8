// A NumPy archive with the members that `shiftvae map -o x.npz` writes, but for the scores of single windows.

import { fieldNames } from "./picture.js";

const bytes = text => new TextEncoder().encode(text);

export function mapsAsNpz({ scan, model, found, words }) {
  const { manifest, stride } = model, { rows, cols, verdict } = found;
  const centres = (count, window) => Float64Array.from({ length: count }, (_, i) => i * stride + (window - 1) / 2);
  const members = {
    names: strings(manifest.latents.map(latent => latent.name)),
    units: strings(manifest.latents.map(latent => latent.unit)),
    centre_y_px: numbers("<f8", [rows], centres(rows, manifest.window[0])),
    centre_x_px: numbers("<f8", [cols], centres(cols, manifest.window[1])),
    pixel_size_nm: numbers("<f8", [2], Float64Array.from(scan.pixel_size_nm ?? [NaN, NaN])),
    model_sha256: strings(model.sha256),
    source: strings(scan.name),
    out_of_domain: numbers("|b1", [], Uint8Array.of(verdict?.score > 1 ? 1 : 0)),
    domain_score: numbers("<f8", [], Float64Array.of(verdict?.score ?? NaN)),
    domain_reason: strings(verdict?.reason ?? ""),
    mean: numbers("<f4", [model.latents, rows, cols], found.mean),
    std: numbers("<f4", [model.latents, rows, cols], found.sd),
  };
  if (found.fields) {
    const fields = fieldNames(manifest, words), grain = manifest.latents.findIndex(latent => latent.kind === "grain");
    if (grain >= 0) fields.push({ name: "grain", unit: "" });
    const shape = [fields.length, rows, cols], size = rows * cols;
    const joined = (values, latents) => {
      const all = new Float32Array(fields.length * size);
      all.set(values);
      if (grain >= 0) all.set(latents.subarray(grain * size, (grain + 1) * size), values.length);
      return all;
    };
    members.field_names = strings(fields.map(field => field.name));
    members.field_units = strings(fields.map(field => field.unit));
    members.fields = numbers("<f4", shape, joined(found.fields, found.mean));
    members.field_std = numbers("<f4", shape, joined(found.fields_sd, found.sd));
  }
  return zip(Object.entries(members).map(([name, content]) => [`${name}.npy`, content]));
}

function numbers(kind, shape, values) {
  const said = `{'descr': '${kind}', 'fortran_order': False, 'shape': (${shape.map(each => `${each},`).join(" ")}), }`;
  const header = bytes(`${said.padEnd(Math.ceil((said.length + 11) / 64) * 64 - 11)}\n`), start = Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, header.length & 255, header.length >> 8);
  return joined([start, header, new Uint8Array(values.buffer, values.byteOffset, values.byteLength)]);
}

// A text, or an array of texts: NumPy has them in UTF-32, of equal length.
function strings(texts) {
  const all = [texts].flat().map(text => [...text].map(each => each.codePointAt(0))), longest = Math.max(1, ...all.map(each => each.length));
  const codes = new Uint32Array(all.length * longest);
  all.forEach((each, at) => codes.set(each, at * longest));
  return numbers(`<U${longest}`, Array.isArray(texts) ? [all.length] : [], codes);
}

function joined(parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) { all.set(part, at); at += part.length; }
  return all;
}

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let crc = n;
  for (let k = 0; k < 8; k++) crc = crc & 1 ? 0xedb88320 ^ crc >>> 1 : crc >>> 1;
  return crc;
});

function crc32(content) {
  let crc = ~0;
  for (let at = 0; at < content.length; at++) crc = TABLE[(crc ^ content[at]) & 255] ^ crc >>> 8;
  return ~crc >>> 0;
}

// Members stored as they are.
function zip(members) {
  const parts = [], index = [];
  let at = 0;
  for (const [name, content] of members) {
    const title = bytes(name), about = new Uint8Array(26), view = new DataView(about.buffer);
    view.setUint16(0, 20, true);
    view.setUint16(8, 0x21, true); // 1980-01-01
    view.setUint32(10, crc32(content), true);
    view.setUint32(14, content.length, true);
    view.setUint32(18, content.length, true);
    view.setUint16(22, title.length, true);
    parts.push(bytes("PK\x03\x04"), about, title, content);
    const place = new Uint8Array(14);
    new DataView(place.buffer).setUint32(10, at, true);
    index.push(bytes("PK\x01\x02"), Uint8Array.of(20, 0), about, place, title);
    at += 30 + title.length + content.length;
  }
  const end = new Uint8Array(18), view = new DataView(end.buffer), size = index.reduce((sum, part) => sum + part.length, 0);
  view.setUint16(4, members.length, true);
  view.setUint16(6, members.length, true);
  view.setUint32(8, size, true);
  view.setUint32(12, at, true);
  return joined([...parts, ...index, bytes("PK\x05\x06"), end]);
}
