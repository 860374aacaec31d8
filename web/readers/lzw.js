// The two packings of TIFF that browsers lack.

// LZW as TIFF 6.0 has it: codes of 9 to 12 bits, the highest bit first; 256 clears the table, 257 ends.
export function lzw(bytes, size) {
  const out = new Uint8Array(size), from = new Uint32Array(4097), lengths = new Uint32Array(4097);
  let at = 0, bits = 0, held = 0, width = 9, next = 258, before = -1;
  for (let i = 0; at < size;) {
    while (bits < width && i < bytes.length) { held = (held << 8 | bytes[i++]) & 0xffffff; bits += 8; }
    if (bits < width) break;
    const code = held >> bits - width & (1 << width) - 1;
    bits -= width;
    if (code === 257) break;
    if (code === 256) { width = 9; next = 258; before = -1; continue; }
    const start = at;
    if (code < 256) out[at++] = code;
    else if (code < next || (code === next && before >= 0)) for (let k = 0; k < lengths[code]; k++) out[at++] = out[from[code] + k];
    else throw new RangeError("a code before its string");
    if (before >= 0 && next < 4096) next++;
    // The next string is this one and the byte that follows it.
    if (next < 4096) { from[next] = start; lengths[next] = at - start + 1; }
    before = code;
    width = next >= 2047 ? 12 : next >= 1023 ? 11 : next >= 511 ? 10 : 9;
  }
  return at < size ? out.subarray(0, at) : out;
}

export function packBits(bytes, size) {
  const out = new Uint8Array(size);
  let at = 0;
  for (let i = 0; i < bytes.length && at < size;) {
    const count = bytes[i++];
    if (count < 128) { out.set(bytes.subarray(i, i + Math.min(count + 1, size - at)), at); at += count + 1; i += count + 1; }
    if (count > 128) { out.fill(bytes[i++], at, at + 257 - count); at += 257 - count; }
  }
  return out.subarray(0, at);
}
