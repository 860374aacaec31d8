// The last complete frames, as they were on the screen; the slider's right end is the newest picture.

const MOST = 40, MOST_BYTES = 10e6;
const find = id => document.getElementById(id);

export class History {
  // look(picture or null): show an earlier frame, or go on with the newest.
  constructor(look) {
    this.frames = [];
    this.look = look;
    this.input = find("history");
    this.input.oninput = () => this.moved();
  }

  get at() { return Number(this.input.value) < this.frames.length ? this.frames[Number(this.input.value)] : null; }

  add(picture) {
    const last = this.frames[this.frames.length - 1];
    if (last && last.stream !== picture.stream) this.frames = [];
    if (picture.lines < picture.height || picture.planes.some(plane => plane.fresh < 1 && plane.height > 1)) return;
    if (last && last.seq === picture.seq) this.frames.pop();
    this.frames.push(picture);
    const bytes = picture.planes.reduce((sum, plane) => sum + plane.pixels.length, 0);
    while (this.frames.length > Math.max(2, Math.min(MOST, MOST_BYTES / bytes))) this.frames.shift();
    this.input.max = this.frames.length; // before the value, which it bounds
    this.input.value = this.frames.length;
    find("back").hidden = this.frames.length < 2;
  }

  moved() {
    const picture = this.at;
    find("ago").textContent = picture ? `frame ${picture.frame}` : "newest";
    this.input.setAttribute("aria-valuetext", find("ago").textContent);
    this.look(picture);
  }

  // Go back to the newest picture.
  leave() {
    if (!this.at) return;
    this.input.value = this.frames.length;
    this.moved();
  }
}
