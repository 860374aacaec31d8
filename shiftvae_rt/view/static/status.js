// Counts, refusals and the state of the service. All text from outside is set as text, never as HTML.

const COUNTS = [
  ["offered", "offered", ""],
  ["processed", "processed", ""],
  ["dropped_producer", "dropped", "a newer one came before its turn"],
  ["dropped_stale", "dropped as stale", "too old when its turn came"],
  ["rejected", "rejected", "cannot be encoded"],
  ["quarantined", "quarantined", "the model failed on it"],
];
const NEW_MS = 5000;

function made(tag, words, ...more) {
  const element = document.createElement(tag);
  element.append(words, ...more);
  return element;
}

const ms = value => value === null ? "–" : `${value.toFixed(1)} ms`;

function duration(s) {
  const [days, hours, minutes] = [Math.floor(s / 86400), Math.floor(s / 3600) % 24, Math.floor(s / 60) % 60];
  return days ? `${days} d ${hours} h` : hours ? `${hours} h ${minutes} min` : minutes ? `${minutes} min` : `${Math.floor(s)} s`;
}

export class Status {
  constructor() {
    this.rows = {};
    this.seen = new Map(); // refusal -> [count, when it grew]
    this.first = true;
    for (const [key, name, why] of COUNTS) {
      const head = made("th", name), cells = [made("td", "–"), made("td", "–")];
      head.scope = "row";
      if (why) head.append(made("small", why));
      document.querySelector("#counts tbody").append(made("tr", head, ...cells));
      this.rows[key] = cells;
    }
  }

  show(state, stream) {
    const { report } = state, of = report.streams[stream];
    for (const [key, [mine, all]] of Object.entries(this.rows)) {
      mine.textContent = of ? of[key] : "–";
      all.textContent = report.total[key];
    }
    this.refusals(report.refusals);
    const lines = {
      model: `${state.model} (${state.model_sha256.slice(0, 8)})`,
      stride: `${state.stride} px`,
      "age, median": ms(report.age_p50_ms),
      "age, 99 of 100": `≤ ${ms(report.age_p99_ms)}`,
      "encoding, median": ms(report.encode_p50_ms),
      "out of domain": `${report.out_of_domain} ${report.out_of_domain === 1 ? "frame" : "frames"}`,
      producers: state.producers,
      readers: state.readers,
      "broken messages": report.malformed,
      "refused clients": report.refused_clients,
      running: duration(state.uptime_s),
    };
    document.querySelector("#service").replaceChildren(
      ...Object.entries(lines).flatMap(([name, value]) => [made("dt", name), made("dd", String(value))]));
  }

  refusals(found) {
    const now = performance.now(), keyOf = each => JSON.stringify([each.stream, each.name]);
    for (const each of found) {
      const before = this.seen.get(keyOf(each));
      if (!before || before[0] !== each.count) this.seen.set(keyOf(each), [each.count, this.first ? -NEW_MS : now]);
    }
    this.first = false;
    const since = each => this.seen.get(keyOf(each))[1];
    const sorted = [...found].sort((a, b) => since(b) - since(a));
    const key = JSON.stringify(sorted.map(each => [each, now - since(each) < NEW_MS]));
    if (key === this.key) return; // a log that does not change is not read out again
    this.key = key;
    const items = sorted.map(each => {
      const item = made("li", made("strong", each.name), `, ${each.count} of `, made("bdi", each.stream), `: ${each.text}`);
      if (now - since(each) < NEW_MS) item.className = "new";
      return item;
    });
    const none = made("li", "nothing");
    none.className = "none";
    document.querySelector("#refusals").replaceChildren(...(items.length ? items : [none]));
  }
}
