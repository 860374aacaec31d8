// TIFF and BigTIFF: images and stacks, in strips or tiles, plain, LZW, PackBits or deflate; ImageJ, OME and FEI tell the
// pixel size (the resolution alone is meant for printers).

import { Refusal } from "../library.js";
import { unpack } from "../unpack.js";
import { toGrey } from "./grey.js";
import { lengthNm } from "./lengths.js";
import { lzw, packBits } from "./lzw.js";
import { numbers } from "./numbers.js";

const SIZES = { 1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8 };
const UNPACK = { 1: bytes => bytes, 5: lzw, 8: bytes => unpack(bytes, "deflate"), 32946: bytes => unpack(bytes, "deflate"), 32773: packBits };
const MOST_PAGES = 65536;

export async function readTiff(bytes, name) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), little = bytes[0] === 0x49;
  const damaged = why => new Refusal(`${name} ${why}: copy it again, or save it as plain TIFF.`);
  let pages = [];
  try {
    pages = directories(view, little);
  } catch (error) {
    if (error instanceof RangeError) throw damaged("is truncated");
    throw error;
  }
  const [first] = pages, one = tag => first.get(tag)?.[0];
  const alike = pages.filter(page => page.get(256)?.[0] === one(256) && page.get(257)?.[0] === one(257) && (page.get(254)?.[0] ?? 0) % 2 === 0);
  const [width, height, bits = 1, samples = 1] = [256, 257, 258, 277].map(one);
  const kind = `${{ 1: "u", 2: "i", 3: "f" }[one(339) ?? 1]}${bits / 8}`, about = textOf(first.get(270));
  if (!(width > 0 && height > 0) || !UNPACK[one(259) ?? 1] || (one(284) ?? 1) !== 1 || samples > 4) {
    throw new Refusal(`${name} is packed in a way that is not read here (compression ${one(259)}, ${samples} samples): save it as plain TIFF.`);
  }
  const inverted = one(262) === 0;
  const take = async page => {
    const all = await pixels(page, { bytes, little, kind, width, height, samples, bits, name });
    const grey = samples > 1 ? toGrey(all, samples) : all;
    return inverted && kind[0] === "u" ? grey.map(each => 2 ** bits - 1 - each) : grey;
  };
  const common = { height, width, pixel_size_nm: edges(first, about) };
  const frames = Number(about.match(/^ImageJ=[^]*?\nimages=(\d+)/)?.[1] ?? 1);
  if (alike.length === 1 && frames > 1) { // ImageJ's way beyond 4 GB: one page, then all frames in one piece
    const [start] = first.get(273), size = width * height * samples * bits / 8;
    return { ...common, count: frames, take: async index => numbers(bytes, start + index * size, width * height, kind, little, name) };
  }
  return { ...common, count: alike.length, take: index => take(alike[index]) };
}

// The tags of every page, numbers by tag.
function directories(view, little) {
  const big = view.getUint16(2, little) === 43, found = [];
  const offset = at => big ? Number(view.getBigUint64(at, little)) : view.getUint32(at, little);
  for (let at = offset(big ? 8 : 4); at && found.length < MOST_PAGES;) {
    const count = big ? Number(view.getBigUint64(at, little)) : view.getUint16(at, little), page = new Map();
    at += big ? 8 : 2;
    for (let i = 0; i < count; i++, at += big ? 20 : 12) {
      const type = view.getUint16(at + 2, little), many = offset(at + 4), size = SIZES[type] ?? 1, place = at + (big ? 12 : 8);
      const from = many * size > (big ? 8 : 4) ? offset(place) : place;
      if (from + many * size > view.byteLength) throw new RangeError("beyond the end");
      page.set(view.getUint16(at, little), Array.from({ length: many }, (_, k) => value(view, from + k * size, type, little)));
    }
    found.push(page);
    at = offset(at);
  }
  return found;
}

function value(view, at, type, little) {
  switch (type) {
    case 3: return view.getUint16(at, little);
    case 8: return view.getInt16(at, little);
    case 4: case 13: return view.getUint32(at, little);
    case 9: return view.getInt32(at, little);
    case 5: return view.getUint32(at, little) / view.getUint32(at + 4, little);
    case 11: return view.getFloat32(at, little);
    case 12: return view.getFloat64(at, little);
    case 16: case 18: return Number(view.getBigUint64(at, little));
    default: return view.getUint8(at);
  }
}

const textOf = codes => codes ? new TextDecoder().decode(Uint8Array.from(codes)).replace(/\0+$/, "") : "";

async function pixels(page, { bytes, little, kind, width, height, samples, bits, name }) {
  const tiled = page.has(322), one = tag => page.get(tag)?.[0];
  const across = tiled ? one(322) : width, down = tiled ? one(323) : Math.min(one(278) ?? height, height);
  const starts = page.get(tiled ? 324 : 273) ?? [], sizes = page.get(tiled ? 325 : 279) ?? [], per = Math.ceil(width / across);
  let whole = null;
  for (let part = 0; part < starts.length; part++) {
    const top = Math.floor(part / per) * down, left = part % per * across;
    const lines = tiled ? down : Math.min(down, height - top);
    const packed = bytes.subarray(starts[part], starts[part] + sizes[part]);
    const raw = await Promise.resolve(UNPACK[one(259) ?? 1](packed, lines * across * samples * bits / 8)).catch(() => new Uint8Array());
    const values = numbers(raw, 0, lines * across * samples, kind, little, name);
    if (one(317) === 2) summed(values, across * samples, samples);
    whole ??= new values.constructor(width * height * samples);
    for (let y = 0; y < Math.min(lines, height - top); y++) {
      const from = y * across * samples, count = Math.min(across, width - left) * samples;
      whole.set(values.subarray(from, from + count), ((top + y) * width + left) * samples);
    }
  }
  if (!whole || starts.length < per * Math.ceil(height / down)) throw new Refusal(`${name} lacks a part of its pixels: copy it again.`);
  return whole;
}

// Undoes the predictor: each value was stored as its difference from the one to the left.
function summed(values, line, samples) {
  for (let at = 0; at < values.length; at++) if (at % line >= samples) values[at] += values[at - samples];
}

// Edges (y, x) of a pixel in nm, or null.
function edges(page, about) {
  const resolution = tag => 1 / page.get(tag)?.[0];
  let found = [null, null];
  if (about.startsWith("ImageJ=")) {
    const unit = about.match(/^unit=(.*)$/m)?.[1] ?? "", down = about.match(/^yunit=(.*)$/m)?.[1] ?? unit;
    found = [lengthNm(resolution(283), down), lengthNm(resolution(282), unit)];
  } else if (/<OME[ >]/.test(about)) {
    const said = name => about.match(new RegExp(`\\b${name}="([^"]*)"`))?.[1];
    found = ["Y", "X"].map(axis => lengthNm(Number(said(`PhysicalSize${axis}`)), said(`PhysicalSize${axis}Unit`) ?? "µm"));
  } else {
    const fei = textOf(page.get(34682) ?? page.get(34680)).match(/\[Scan\][^[]*/)?.[0] ?? "";
    found = ["Height", "Width"].map(side => lengthNm(Number(fei.match(new RegExp(`Pixel${side}=(\\S+)`))?.[1]), "m"));
  }
  return found.every(Boolean) ? found : null;
}
