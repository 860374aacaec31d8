// NumPy's .npy: an image (height, width), a stack (frames, height, width), or a line signal.

import { Refusal } from "../library.js";
import { numbers } from "./numbers.js";

export function readNpy(bytes, name) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), old = bytes[6] === 1;
  const length = old ? view.getUint16(8, true) : view.getUint32(8, true), start = (old ? 10 : 12) + length;
  const header = new TextDecoder("latin1").decode(bytes.subarray(start - length, start));
  const [, order, kind] = header.match(/'descr': *'([<>|=])(\w+)'/) || [];
  const axes = (header.match(/'shape': *\(([\d, ]*)\)/)?.[1] ?? "").split(",").filter(each => each.trim()).map(Number);
  if (!kind || !axes.length || axes.length > 3) {
    throw new Refusal(`${name} holds an array of ${axes.length} axes: expected (height, width), (frames, height, width) or (length,) of plain numbers.`);
  }
  if (/'fortran_order': *True/.test(header) && axes.length > 1) {
    throw new Refusal(`${name} has its columns first (Fortran order): save it with numpy.ascontiguousarray.`);
  }
  const [width, height = 1, count = 1] = axes.reverse();
  const all = numbers(bytes, start, count * height * width, kind, order !== ">", name), size = height * width;
  return { count, height, width, pixel_size_nm: null, take: async index => all.subarray(index * size, (index + 1) * size) };
}
