// libshiftvae as WebAssembly: a model file and pixels in, maps, fields, drawings and a verdict out. See shiftvae.h.

export const TYPES = [Uint8Array, Uint16Array, Int16Array, Uint32Array, Int32Array, Float32Array, Float64Array];
export const FIELDS = 6;
export const WINDOW = 4, UNSUPPORTED = 5; // codes of shiftvae.h
const NO_FILE = 8; // what WASI answers a module that asks for a file: there is none here
const BREATH_MS = 40; // the page answers its reader at least this often while a frame is mapped
const CRAMPED = "This browser gives no more memory: use a larger stride, or a smaller frame.";
const text = new TextDecoder();

// Says what was expected, what came, what to do; `code` as in shiftvae.h.
export class Refusal extends Error {
  constructor(words, code = 0) {
    super(words);
    this.code = code;
  }
}

// A model file at one stride, in an instance of its own: whatever happens in it, the next one starts anew.
export class Model {
  constructor(module, file, stride) {
    const imports = {};
    for (const { module: from, name } of WebAssembly.Module.imports(module)) (imports[from] ??= {})[name] = () => NO_FILE;
    this.c = new WebAssembly.Instance(module, imports).exports;
    this.stride = stride;
    this.handle = 0;
    this.c._initialize();
    this.out = this.take(16);
    const place = this.put(file), digits = this.take(65);
    this.c.shiftvae_sha256(place, file.length, digits);
    this.sha256 = this.words(digits);
    const code = this.run(() => this.c.sv_open_bytes(place, file.length, stride, this.out));
    this.handle = this.integer(0);
    this.check(code);
    this.free(place, digits);
    this.manifest = JSON.parse(this.words(this.c.sv_manifest(this.handle)));
    this.latents = this.c.sv_latents(this.handle);
    this.channels = this.c.sv_channels(this.handle);
    this.orders = this.c.sv_orders(this.handle);
  }

  take(bytes) {
    const place = bytes < 2 ** 32 ? this.c.malloc(bytes) >>> 0 : 0;
    if (!place) throw new Refusal(CRAMPED);
    return place;
  }

  put(array) {
    const place = this.take(array.byteLength);
    new Uint8Array(this.c.memory.buffer, place, array.byteLength).set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
    return place;
  }

  free(...places) { places.forEach(place => this.c.free(place)); }
  integer(at) { return new Int32Array(this.c.memory.buffer, this.out, 4)[at]; }
  floats(place, count) { return new Float32Array(this.c.memory.buffer, place, count).slice(); }

  words(place) {
    const bytes = new Uint8Array(this.c.memory.buffer, place >>> 0);
    return text.decode(bytes.slice(0, bytes.indexOf(0)));
  }

  // A trap is no answer of the library: the file has led it where no file of the exporter leads. Open it anew after one.
  run(body) {
    try {
      return body();
    } catch (error) {
      if (!(error instanceof WebAssembly.RuntimeError)) throw error;
      this.broken = true;
      throw new Refusal(`The model file stops the library (${error.message}): copy or export the model again.`);
    }
  }

  check(code, handle = this.handle) {
    if (!code) return;
    const words = this.words(this.c.sv_error(handle));
    throw new Refusal(`${words[0].toUpperCase()}${words.slice(1)}.`, code);
  }

  grid(height, width) {
    this.check(this.run(() => this.c.sv_grid(this.handle, height, width, this.out, this.out + 4)));
    return { rows: this.integer(0), cols: this.integer(1) };
  }

  // pixels: one array of (channels, height, width). Calls progress(share) now and then.
  async map(pixels, height, width, progress) {
    const { rows, cols } = this.grid(height, width), size = this.latents * rows * cols, places = [];
    const type = TYPES.findIndex(each => pixels instanceof each);
    let scan = 0;
    try {
      places.push(this.take(4 * size), this.take(4 * size), this.put(pixels));
      this.check(this.run(() => this.c.sv_scan_begin(this.handle, height, width, type, this.out)));
      scan = this.integer(0);
      const [mean, sd, frame] = places, busy = await this.push(scan, pixels, frame, height, width, mean, sd, progress);
      const began = performance.now();
      const found = { rows, cols, verdict: this.verdict(scan, mean, sd), ...this.fields(height, width, rows * cols, mean, sd) };
      return { ...found, mean: this.floats(mean, size), sd: this.floats(sd, size), busy_ms: busy + performance.now() - began };
    } finally {
      if (!this.broken) {
        this.c.sv_scan_end(scan);
        this.free(...places);
      }
    }
  }

  // Encodes all lines, some at a time, and gives the time that it took.
  async push(scan, pixels, frame, height, width, mean, sd, progress) {
    const line = width * pixels.BYTES_PER_ELEMENT;
    let lines = Math.min(height, this.manifest.window[0] + 32 * this.stride), rested = performance.now(), busy = 0;
    for (let y = 0; y < height; y += lines, lines = 32 * this.stride) {
      const count = Math.min(lines, height - y), began = performance.now();
      this.check(this.run(() => this.c.sv_scan_push(scan, frame + y * line, count, 0, height * line, mean, sd, 0, 0)), scan);
      busy += performance.now() - began;
      if (performance.now() - rested < BREATH_MS) continue;
      progress((y + count) / height);
      await new Promise(done => setTimeout(done));
      rested = performance.now();
    }
    return busy;
  }

  // null for a model that does not know its domain.
  verdict(scan, mean, sd) {
    const code = this.run(() => this.c.sv_domain(scan, mean, sd, this.out, this.out + 8));
    if (code === UNSUPPORTED) return null;
    this.check(code, scan);
    const [score, windows_out] = new Float64Array(this.c.memory.buffer, this.out, 2);
    return { score, windows_out, reason: this.words(this.c.sv_reason(scan)) };
  }

  // Fields and their deviations, then those of the order; null for a model without a lattice of two vectors.
  fields(height, width, windows, mean, sd) {
    const own = FIELDS * windows, further = 2 * this.orders * windows, all = 4 * (own + further);
    const [fields, deviations] = [this.take(all), this.take(all)];
    const code = this.run(() => this.c.sv_fields(this.handle, height, width, mean, sd, fields, deviations));
    if (code !== UNSUPPORTED) this.check(code);
    if (!code && further) this.check(this.run(() => this.c.sv_order(this.handle, height, width, mean, sd, fields + 4 * own, deviations + 4 * own)));
    const found = code ? { fields: null, fields_sd: null } : { fields: this.floats(fields, own + further), fields_sd: this.floats(deviations, own + further) };
    this.free(fields, deviations);
    return found;
  }

  // Windows (count, channels, height, width) of latents (count, latents); null for a decoder that the library lacks.
  draw(latents, count) {
    const [height, width] = this.manifest.window, size = count * this.channels * height * width;
    const from = this.put(latents), to = this.take(4 * size);
    const code = this.run(() => this.c.sv_decode(this.handle, count, from, to));
    if (code !== UNSUPPORTED) this.check(code);
    const found = code ? null : this.floats(to, size);
    this.free(from, to);
    return found;
  }
}
