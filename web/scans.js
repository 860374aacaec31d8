// One reader for each kind of file, chosen by what the file begins with: {count, height, width, pixel_size_nm, take(index)}.

import { Refusal } from "./library.js";
import { readDm } from "./readers/dm.js";
import { readNpy } from "./readers/npy.js";
import { readPng } from "./readers/png.js";
import { readTiff } from "./readers/tiff.js";

const READERS = [
  [[0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59], readNpy],
  [[0x89, 0x50, 0x4e, 0x47], readPng],
  [[0x49, 0x49, 0x2a, 0], readTiff], [[0x4d, 0x4d, 0, 0x2a], readTiff],
  [[0x49, 0x49, 0x2b, 0], readTiff], [[0x4d, 0x4d, 0, 0x2b], readTiff],
  [[0, 0, 0, 3], readDm], [[0, 0, 0, 4], readDm],
];

export const isModel = bytes => bytes[0] === 0x50 && bytes[1] === 0x4b; // a zip

export async function readScan(bytes, name) {
  const found = READERS.find(([start]) => start.every((each, at) => bytes[at] === each));
  if (!found) throw new Refusal(`${name} is neither a scan nor a model that is read here: expected .npy, .tif, .dm3, .dm4, .png or .svae.`);
  const scan = await found[1](bytes, name);
  return { ...scan, name };
}
