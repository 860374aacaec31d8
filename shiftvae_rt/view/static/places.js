// What is this place? Asks the service for the window under the cursor, and shows what it answers.

import { element, number, paint } from "./panels.js";

const LATE_MS = 1000; // then a question counts as lost
const FOLLOW_MS = 100; // least time between two questions about the same place of a running scan
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const KINDS = ["pinned", "here"]; // the order of the frames around windows, see Panels.mark
const find = id => document.getElementById(id);

function said(value) {
  if (!value) return "";
  if (value.name === "grain") return value.mean < 0 ? "none" : `${value.mean} (${(100 * (1 - value.sd)).toFixed(0)} % sure)`;
  const { mean, sd } = value, span = sd || Math.abs(mean) || 1;
  return `${number(mean, span)}${sd ? ` ± ${number(sd, span)}` : ""}`;
}

export class Places {
  // send(question) asks the service, mark(kind, edges) frames a window; words are the colours.
  constructor({ send, mark, words, figures }) {
    Object.assign(this, { send, mark, words, figures });
    this.at = { here: null, pinned: null }; // [x, y]
    this.answers = { here: null, pinned: null };
    this.open = new Map(); // number of a question -> [which, since]
    this.late = {}; // which -> since: the place has moved while a question was open
    this.number = this.askedMs = 0;
    this.model = "";
    this.hint = find("where").textContent;
    this.still = null; // number of the frame that stands still on the screen
    this.looks = { here: this.look("here"), pinned: this.look("pinned") };
  }

  look(which) {
    const parts = [0, 1, 2].map(() => {
      const canvas = element("canvas", ""), label = element("figcaption", "");
      canvas.setAttribute("role", "img");
      return { canvas, label, figure: element("figure", "", canvas, label) };
    });
    const root = element("div", `look ${which}`, ...parts.map(each => each.figure));
    root.hidden = true;
    find("looks").append(root);
    return { root, parts };
  }

  // Look at a place; null: look away.
  set(which, place) {
    this.at[which] = place;
    if (place) this.ask(which);
    else this.show(which, null);
  }

  // A new picture: the places stay, and are asked about again.
  follow(picture, still) {
    this.still = still ? picture.seq : null;
    this.shown = picture;
    if (performance.now() - this.askedMs < FOLLOW_MS) return;
    for (const which of KINDS) if (this.at[which]) this.ask(which);
  }

  // One question of a kind at a time; the newest place waits for its answer.
  ask(which, since = performance.now()) {
    const now = performance.now();
    for (const [id, [, asked]] of this.open) if (now - asked > LATE_MS) this.open.delete(id);
    if ([...this.open.values()].some(each => each[0] === which)) {
      this.late[which] ??= since;
      return;
    }
    delete this.late[which];
    this.question(which, { place: this.at[which] }, since);
    if (this.shown && this.shown.model_sha256 !== this.model) {
      this.model = this.shown.model_sha256;
      this.question("manifold", { manifold: true }, since);
    }
  }

  question(which, words, since) {
    this.askedMs = performance.now();
    this.open.set(++this.number, [which, since]);
    this.send({ ...words, id: this.number, seq: this.still });
  }

  answer(message) {
    const [which, since] = this.open.get(message.id) || [];
    this.open.delete(message.id);
    if (!which) return;
    if (which === "manifold") return this.showManifold(message);
    if (this.at[which]) this.show(which, message);
    if (which === "here") this.figures.hover_ms = [...this.figures.hover_ms.slice(-999), performance.now() - since];
    if (this.late[which] && this.at[which]) this.ask(which, this.late[which]);
  }

  show(which, message) {
    const { root, parts } = this.looks[which], known = message?.kind === "place" ? message : null;
    this.answers[which] = known;
    root.hidden = !known;
    this.mark(KINDS.indexOf(which), known);
    if (known) known.planes.forEach((plane, at) => {
      paint(parts[at].canvas, plane, this.words[plane.colours]);
      const words = at < 2 || known.left_over === null ? plane.title : `left over ${Math.round(100 * known.left_over)}\u00a0%`;
      if (parts[at].label.textContent === words) return;
      parts[at].label.textContent = words;
      parts[at].canvas.setAttribute("aria-label", `${words}, ${which}`);
    });
    const any = Boolean(this.answers.here || this.answers.pinned);
    find("place").classList.toggle("known", any);
    find("letgo").hidden = !any;
    find("manifold").hidden = !any || !this.map;
    if (!any && !message) find("where").textContent = this.hint;
    if (message) {
      find("where").textContent = known
        ? `y ${known.y_px.toFixed(1)}, x ${known.x_px.toFixed(1)} px of frame ${known.frame}`
        : `${message.why[0].toUpperCase()}${message.why.slice(1)}.`;
    }
    this.table();
    this.dots();
  }

  table() {
    const { here, pinned } = this.answers, values = (here || pinned)?.values ?? [];
    const cell = (answer, name) => element("td", "", said(answer?.values.find(value => value.name === name)));
    find("values").hidden = !values.length;
    find("values").tBodies[0].replaceChildren(...values.map(({ name, unit }) => {
      const head = element("th", "", unit ? `${name} (${unit})` : name);
      head.scope = "row";
      return element("tr", "", head, cell(here, name), cell(pinned, name));
    }));
  }

  showManifold(message) {
    this.map = message.kind === "manifold" ? message : null;
    find("manifold").hidden = !this.map || !find("place").classList.contains("known");
    if (!this.map) return;
    const [plane] = message.planes, canvas = find("manifold").querySelector("canvas"), { across, down } = message;
    const range = axis => `${axis.name} from ${number(axis.low, axis.high - axis.low)} to ${number(axis.high, axis.high - axis.low)}`;
    paint(canvas, plane, this.words.grey);
    find("manifold").querySelector(".box").style.aspectRatio = plane.width / plane.height;
    const words = `What the decoder draws: to the right ${range(across)}${down ? `, downwards ${range(down)}` : ""}`;
    find("manifold").querySelector("figcaption").textContent = words;
    canvas.setAttribute("aria-label", words);
    this.dots();
  }

  // The places on the manifold: between the centres of its first and its last drawing.
  dots() {
    const marks = find("manifold").querySelectorAll(".dot");
    KINDS.forEach((which, at) => {
      const answer = this.answers[which], mark = marks[at];
      mark.hidden = !answer || !this.map;
      if (mark.hidden) return;
      const { width, height } = this.map.planes[0], cell = answer.planes[0];
      const share = (axis, cells) => {
        const value = answer.values.find(each => each.name === axis?.name)?.mean;
        if (value === undefined) return 0.5;
        const along = Math.min(1, Math.max(0, (value - axis.low) / (axis.high - axis.low)));
        return (0.5 + along * (cells - 1)) / cells;
      };
      mark.style.left = `${100 * share(this.map.across, width / cell.width)}%`;
      mark.style.top = `${100 * share(this.map.down, height / cell.height)}%`;
    });
  }

  letGo() {
    this.set("here", null);
    this.set("pinned", null);
  }

  // A key in the frame's panel; step is the distance of neighbouring windows as shares [x, y].
  key(event, step) {
    const move = MOVES[event.key];
    if (move) {
      const window = this.answers.here, far = event.shiftKey ? 10 : 1;
      const from = window ? [(window.left + window.right) / 2, (window.top + window.bottom) / 2] : this.at.here || [0.5, 0.5];
      this.set("here", from.map((share, axis) => Math.min(1, Math.max(0, share + far * step[axis] * move[axis]))));
      event.preventDefault();
    }
    if (event.key === "Enter" && this.at.here) this.set("pinned", this.at.here);
  }
}
