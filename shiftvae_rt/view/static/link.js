// The connection to the service: pictures, answers and states in, `r` (send the next picture), choices and questions out.
// While the service is gone, /readyz is asked twice a second: browsers delay a WebSocket that failed often.

const SILENCE_MS = 1400; // a state comes every 250 ms
const RETRY_MS = 500;
const OPEN_MS = 2000;
const text = new TextDecoder();

// Header and planes of a message; see picture_message.py.
export function decode(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(text.decode(new Uint8Array(buffer, 4, length)));
  let at = 4 + length;
  for (const plane of header.planes) {
    plane.pixels = new Uint8Array(buffer, at, plane.height * plane.width);
    at += plane.height * plane.width;
  }
  return header;
}

export class Link {
  // on: {open(), picture(header), answer(header), state(json), gone(bool)}
  constructor(on) {
    this.on = on;
    this.socket = null;
    this.heard = 0;
    this.lost = false;
    setInterval(() => this.check(), 200);
    this.open();
  }

  open() {
    const socket = new WebSocket(`ws://${location.host}/live`);
    const late = setTimeout(() => socket.close(), OPEN_MS);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => { clearTimeout(late); this.socket = socket; this.on.open(); };
    socket.onmessage = event => {
      this.heard = performance.now();
      this.tell(false);
      if (typeof event.data === "string") this.on.state(JSON.parse(event.data));
      else this.take(decode(event.data));
    };
    socket.onclose = () => {
      clearTimeout(late);
      this.socket = null;
      this.tell(true);
      this.retry();
    };
  }

  take(message) {
    if (message.kind === "picture") this.on.picture(message);
    else this.on.answer(message);
  }

  async retry() {
    for (;;) {
      await new Promise(done => setTimeout(done, RETRY_MS));
      try {
        const answer = await fetch("readyz", { cache: "no-store", signal: AbortSignal.timeout(1000) });
        if (answer.ok) break;
      } catch { /* still gone */ }
    }
    this.open();
  }

  check() {
    if (this.socket && performance.now() - this.heard > SILENCE_MS) this.tell(true);
  }

  tell(lost) {
    if (lost !== this.lost) { this.lost = lost; this.on.gone(lost); }
  }

  ready() { this.send("r"); }
  choose(stream) { this.send(JSON.stringify({ stream })); }
  ask(question) { this.send(JSON.stringify(question)); }
  send(words) { if (this.socket && this.socket.readyState === WebSocket.OPEN) this.socket.send(words); }
}
