// DigitalMicrograph's .dm3 and .dm4: a tree of tags; the images lie under ImageList. Written from public descriptions of
// the format.

import { Refusal } from "../library.js";
import { lengthNm } from "./lengths.js";
import { numbers } from "./numbers.js";

const KINDS = { 2: "i2", 3: "i4", 4: "u2", 5: "u4", 6: "f4", 7: "f8", 8: "u1", 9: "i1", 10: "u1", 11: "i8", 12: "u8" };
const STRUCT = 15, TEXT = 18, ARRAY = 20, GROUP = 20, DATA = 21, MOST_DEEP = 64, RGB = 23;

export async function readDm(bytes, name) {
  let root = null;
  try {
    root = new Tags(bytes).root();
  } catch (error) {
    if (error instanceof RangeError) throw new Refusal(`${name} is damaged or truncated (${error.message}): copy it again.`);
    throw error;
  }
  const images = Object.values(root.ImageList ?? {}).map(each => each.ImageData).filter(each => each?.Data?.count && each.DataType !== RGB);
  const flat = images.filter(each => axes(each).length >= 2 && !spectral(each));
  if (!flat.length) throw new Refusal(`${name} holds no image: for a spectrum image sum a range of energies, and save that.`);
  const image = flat.reduce((most, each) => each.Data.count > most.Data.count ? each : most);
  const [width, height, count = 1] = axes(image), { at, kind, little } = image.Data, size = width * height;
  const steps = Object.values(image.Calibrations?.Dimension ?? {}).map(each => lengthNm(Math.abs(each.Scale), each.Units ?? ""));
  const bytesEach = Number(kind.slice(1));
  return {
    count, height, width,
    pixel_size_nm: steps[0] && steps[1] ? [steps[1], steps[0]] : null,
    take: async index => {
      if (kind !== "i1") return numbers(bytes, at + index * size * bytesEach, size, kind, little, name);
      return Int16Array.from(new Int8Array(bytes.slice(at + index * size, at + (index + 1) * size).buffer)); // the library has no int8
    },
  };
}

const axes = image => Object.values(image.Dimensions ?? {}).filter(each => each > 1);
const spectral = image => Object.values(image.Calibrations?.Dimension ?? {}).some(each => /eV/.test(each.Units ?? ""));

class Tags {
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = 0;
  }

  byte() { return this.view.getUint8(this.at++); }
  short() { this.at += 2; return this.view.getUint16(this.at - 2); }
  // Counts are longer in version 4, and always begin with the high byte.
  count() {
    this.at += this.long ? 8 : 4;
    const found = this.long ? Number(this.view.getBigUint64(this.at - 8)) : this.view.getUint32(this.at - 4);
    if (found > this.bytes.length) throw new RangeError(`a count of ${found}`);
    return found;
  }

  root() {
    const version = this.view.getUint32(0);
    if (version !== 3 && version !== 4) throw new RangeError(`version ${version}`);
    this.long = version === 4;
    this.at = this.long ? 12 : 8;
    this.little = this.view.getUint32(this.at) === 1;
    this.at += 4;
    return this.group(0);
  }

  group(depth) {
    if (depth > MOST_DEEP) throw new RangeError("tags too deep");
    this.at += 2;
    const found = Object.create(null);
    for (let count = this.count(), i = 0; i < count; i++) {
      const kind = this.byte(), name = new TextDecoder("latin1").decode(this.bytes.subarray(this.at + 2, this.at + 2 + this.short()));
      this.at += name.length;
      if (this.long) this.at += 8;
      if (kind !== GROUP && kind !== DATA) throw new RangeError(`a tag of kind ${kind}`);
      found[name || i] = kind === GROUP ? this.group(depth + 1) : this.data();
    }
    return found;
  }

  data() {
    this.at += 4; // %%%%
    const about = Array.from({ length: this.count() }, () => this.count());
    const { size, read } = this.value(about, 0), found = read(this.at);
    this.at += size;
    if (this.at > this.bytes.length) throw new RangeError("it ends too soon");
    return found;
  }

  // Size in bytes of what `about` describes from place k on, and how to read it.
  value(about, k) {
    const kind = about[k], { view, little } = this;
    if (kind === STRUCT) {
      const fields = about[k + 2], size = Array.from({ length: fields }, (_, f) => width(about[k + 4 + 2 * f])).reduce((a, b) => a + b, 0);
      return { size, read: () => null, used: 3 + 2 * fields };
    }
    if (kind === TEXT) return { size: about[k + 1], read: at => this.text(at, about[k + 1] / 2) };
    if (kind === ARRAY) {
      const element = this.value(about, k + 1), used = about[k + 1] === STRUCT ? element.used : 1, count = about[k + 1 + used];
      const size = element.size * count;
      if (about[k + 1] === 4 && count < 1024) return { size, read: at => this.text(at, count) };
      return { size, read: at => ({ at, count, kind: KINDS[about[k + 1]] ?? "struct", little }) };
    }
    const read = { 2: "getInt16", 3: "getInt32", 4: "getUint16", 5: "getUint32", 6: "getFloat32", 7: "getFloat64", 11: "getBigInt64", 12: "getBigUint64" }[kind] ?? "getUint8";
    return { size: width(kind), read: at => Number(view[read](at, little)) };
  }

  text(at, count) { return String.fromCharCode(...Array.from({ length: count }, (_, i) => this.view.getUint16(at + 2 * i, this.little))); }
}

function width(kind) {
  const found = Number(KINDS[kind]?.slice(1));
  if (!found) throw new RangeError(`a number of type ${kind}`);
  return found;
}
