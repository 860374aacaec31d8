// PNG with all its 16 bits, which a canvas would cut to 8. It has no pixel size: dpi is meant for printers.

import { Refusal } from "../library.js";
import { unpack } from "../unpack.js";
import { toGrey } from "./grey.js";

const SAMPLES = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

export async function readPng(bytes, name) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), parts = [];
  let head = null, palette = null;
  for (let at = 8; at + 8 <= bytes.length;) {
    const size = view.getUint32(at), kind = String.fromCharCode(...bytes.subarray(at + 4, at + 8)), from = at + 8;
    if (kind === "IHDR") head = { width: view.getUint32(from), height: view.getUint32(from + 4), bits: bytes[from + 8], colour: bytes[from + 9], interlaced: bytes[from + 12] };
    if (kind === "PLTE") palette = bytes.subarray(from, from + size);
    if (kind === "IDAT") parts.push(bytes.subarray(from, from + size));
    at = from + size + 4;
  }
  const samples = SAMPLES[head?.colour];
  if (!samples || head.interlaced || !parts.length || (head.colour === 3 && !palette)) throw new Refusal(`${name} is not a PNG that is read here (damaged or interlaced): save it again, not interlaced.`);
  const { width, height, bits } = head, step = Math.max(1, samples * bits / 8), line = Math.ceil(width * samples * bits / 8);
  const raw = await unpack(new Uint8Array(await new Blob(parts).arrayBuffer()), "deflate").catch(() => new Uint8Array());
  if (raw.length < height * (line + 1)) throw new Refusal(`${name} is truncated: copy it again.`);
  let values = samplesOf(plain(raw, height, line, step), width * samples, height, line, bits);
  if (head.colour === 3) values = Uint8Array.from({ length: 3 * values.length }, (_, i) => palette[3 * values[Math.floor(i / 3)] + i % 3]);
  const channels = head.colour === 3 ? 3 : samples, pixels = channels > 1 ? toGrey(values, channels) : values;
  return { count: 1, height, width, pixel_size_nm: null, take: async () => pixels };
}

// Undoes the filters: each line was stored as differences from its neighbours.
function plain(raw, height, line, step) {
  const out = new Uint8Array(height * line);
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (line + 1)], from = y * (line + 1) + 1, to = y * line;
    for (let x = 0; x < line; x++) {
      const left = x < step ? 0 : out[to + x - step], up = y ? out[to + x - line] : 0, corner = y && x >= step ? out[to + x - line - step] : 0;
      out[to + x] = raw[from + x] + [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter];
    }
  }
  return out;
}

function paeth(left, up, corner) {
  const guess = left + up - corner, [a, b, c] = [left, up, corner].map(each => Math.abs(guess - each));
  return a <= b && a <= c ? left : b <= c ? up : corner;
}

function samplesOf(bytes, across, height, line, bits) {
  if (bits === 8) return bytes;
  if (bits === 16) return Uint16Array.from({ length: across * height }, (_, i) => bytes[2 * i] << 8 | bytes[2 * i + 1]);
  return Uint8Array.from({ length: across * height }, (_, i) => {
    const x = i % across * bits;
    return bytes[Math.floor(i / across) * line + (x >> 3)] >> 8 - bits - x % 8 & (1 << bits) - 1;
  });
}
