// Numbers of a file as an array that the library takes, whatever their byte order and their place.

import { Refusal } from "../library.js";

const KINDS = {
  u1: Uint8Array, u2: Uint16Array, u4: Uint32Array, i2: Int16Array, i4: Int32Array, f4: Float32Array, f8: Float64Array,
};

// kind: "u2" and the like, as NumPy writes them.
export function numbers(bytes, at, count, kind, little, what) {
  const Kind = KINDS[kind];
  if (!Kind) {
    throw new Refusal(`${what} has pixels of type ${kind}: expected whole numbers of 8, 16 or 32 bits or floats, convert it first.`);
  }
  const size = count * Kind.BYTES_PER_ELEMENT;
  if (!(at + size <= bytes.length)) throw new Refusal(`${what} is truncated: it promises ${size} bytes of pixels from byte ${at} on, and has ${bytes.length}: copy it again.`);
  const own = bytes.slice(at, at + size);
  if (!little) for (let i = 0; i < size; i += Kind.BYTES_PER_ELEMENT) own.subarray(i, i + Kind.BYTES_PER_ELEMENT).reverse();
  return new Kind(own.buffer);
}
