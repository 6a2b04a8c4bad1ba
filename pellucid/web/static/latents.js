/* The static page of latents: a list that draws only the lines in view, and one latent at a time, unpacked when
   it is asked for. Text of a model is only ever set as text. */
"use strict";
(() => {
  const LINE = 52, BINS = 32, LEVELS = 255;
  const byId = name => document.getElementById(name);
  const list = byId("list"), all = list.firstElementChild, article = byId("latent");
  const query = byId("q"), order = byId("order");

  /* numbers as the rest of the program writes them */
  const group = n => String(n).replace(/\B(?=(\d{3})+$)/g, "\u2009");
  const SUPER = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };
  const plain = x => {
    if (x === 0) return "0";
    if (x < 1e-4 || x >= 1e9) {
      const [mantissa, power] = x.toExponential(2).split("e");
      return `${mantissa.replace(/\.?0+$/, "")} × 10${[...String(Number(power))].map(c => SUPER[c]).join("")}`;
    }
    if (x >= 100 || Number.isInteger(x)) return group(Math.round(x));
    const digits = 2 - Math.floor(Math.log10(x)), rounded = x.toFixed(digits);
    const crossed = Math.floor(Math.log10(Number(rounded))) > Math.floor(Math.log10(x));
    return crossed ? (Math.floor(x * 10 ** digits) / 10 ** digits).toFixed(digits) : rounded;
  };
  const number = x => (x < 0 ? "−" : "") + plain(Math.abs(x));
  const signed = x => (x > 0 ? "+" : "") + number(x);
  const share = x => `${number(100 * x)}\u202f%`;

  /* elements from text alone */
  const SVG = "http://www.w3.org/2000/svg";
  const el = (name, attributes, ...children) => {
    const svg = ["svg", "rect", "path", "text"].includes(name);
    const made = svg ? document.createElementNS(SVG, name) : document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
    made.append(...children.flat().filter(child => child !== null));
    return made;
  };

  /* what is packed in the page */
  const parsed = new Promise(done => {
    if (document.readyState !== "loading") done();
    else document.addEventListener("DOMContentLoaded", done, { once: true });
  });
  const unpack = async node => {
    const bytes = Uint8Array.from(atob(node.textContent), sign => sign.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    node.remove();
    return new Response(stream);
  };
  const kept = new Map();
  const block = name => {
    if (!kept.has(name)) kept.set(name, (async () => {
      if (!byId(`b-${name}`)) await parsed;
      return (await unpack(byId(`b-${name}`))).json();
    })());
    return kept.get(name);
  };
  const citedText = async () => {
    await parsed;
    const node = document.querySelector('[id^="b-text-"]'), wide = node.id.endsWith("32");
    const buffer = await (await unpack(node)).arrayBuffer();
    return wide ? new Uint32Array(buffer) : new Uint16Array(buffer);
  };
  let text = null;
  const cited = () => (text = text || citedText());

  /* the list */
  let index = null, rowOf = null, shown = [], chosen = -1;
  const SORTS = { density: "density", largest: "largest", single: "single" };
  const sorted = name => {
    const rows = index.latent.map((_, row) => row), values = index[SORTS[name]];
    return values ? rows.sort((a, b) => values[b] - values[a] || a - b) : rows;
  };
  const matches = asked => {
    const words = asked.trim().replace(/^#/, "").toLowerCase();
    if (!words) return null;
    if (/^\d+$/.test(words) && rowOf.has(Number(words))) return row => row === rowOf.get(Number(words));
    const seen = words.replaceAll(" ", "·");
    const hit = index.words.map(word => word.toLowerCase().includes(seen));
    const some = tokens => Boolean(tokens) && tokens.some(token => token >= 0 && hit[token]);
    return row => some(index.carried[row]) || some(index.raised[row]);
  };
  const tokens = numbers => (numbers || []).filter(token => token >= 0).map(token => el("u", {}, index.words[token]));
  const line = at => {
    const row = shown[at], fires = index.density[row] > 0;
    const made = el("div", { class: "line", role: "option", id: `o-${row}`, style: `top:${at * LINE}px`,
      "aria-selected": String(row === chosen), "aria-posinset": at + 1, "aria-setsize": shown.length },
      el("b", {}, String(index.latent[row])), el("span", {}, tokens(index.carried[row])),
      el("i", {}, fires ? share(index.density[row]) : "never"),
      el("span", { class: "raises" }, index.raised.length ? ["raises ", tokens(index.raised[row])].flat() : ""));
    made.addEventListener("click", () => choose(row));
    return made;
  };
  const drawList = () => {
    const first = Math.max(0, Math.floor(list.scrollTop / LINE) - 4);
    const last = Math.min(shown.length, Math.ceil((list.scrollTop + list.clientHeight) / LINE) + 4);
    all.replaceChildren(...Array.from({ length: last - first }, (_, at) => line(first + at)));
  };
  const narrow = () => {
    const fits = matches(query.value), rows = sorted(order.value);
    shown = fits ? rows.filter(fits) : rows;
    all.style.height = `${shown.length * LINE}px`;
    const of = `of ${plain(index.latent.length)} latents`;
    byId("count").textContent = fits ? `${plain(shown.length)} ${of}` : `${plain(shown.length)} latents`;
    list.scrollTop = 0;
    drawList();
  };
  const reveal = () => {
    const at = shown.indexOf(chosen);
    if (at < 0) return;
    const top = at * LINE;
    if (top < list.scrollTop) list.scrollTop = top;
    if (top + LINE > list.scrollTop + list.clientHeight) list.scrollTop = top + LINE - list.clientHeight;
    list.setAttribute("aria-activedescendant", `o-${chosen}`);
  };
  const choose = row => {
    const hash = `#${index.latent[row]}`;
    if (location.hash === hash) open(row);
    else location.hash = hash;
  };
  const step = by => {
    const at = shown.indexOf(chosen);
    const next = Math.min(shown.length - 1, Math.max(0, at < 0 ? 0 : at + by));
    if (shown.length && next !== at) choose(shown[next]);
  };

  /* one latent */
  const named = parts => parts.map(part =>
    typeof part === "number" ? el("q", { class: "token" }, index.words[part]) : part);
  const passages = (rows, largest, cite, words) => el("ul", { class: "ex" }, rows.map(([value, start, place, ...levels]) =>
    el("li", {}, el("span", { class: "act" }, number(value)), el("q", {}, levels.map((level, at) => {
      const word = words[cite[start + at]];
      if (!level) return word;
      return el("span", { class: at === place ? "tk max" : "tk", style: `--a:${Math.round(100 * level / LEVELS)}`,
        title: number(largest * level / LEVELS) }, word);
    })))));
  const histogram = (counts, width, fires) => {
    const W = 440, H = 120, step = W / BINS, top = Math.max(...counts);
    const bars = counts.map((n, at) => n ? el("rect", { class: "d1", x: at * step + 1, y: H - Math.max(1, H * n / top),
      width: step - 2, height: Math.max(1, H * n / top) }) : null);
    const ticks = [0, 1, 2, 3, 4].map(part => el("text", { class: "tick", x: part * W / 4, y: H + 16,
      "text-anchor": ["start", "middle", "middle", "middle", "end"][part] }, number(width * BINS * part / 4)));
    const label = `${number(fires)} firings, the most in one bin ${number(top)}`;
    return el("svg", { viewBox: `0 0 ${W} ${H + 20}`, width: W, role: "img", "aria-label": label },
      bars, el("path", { class: "axis", d: `M0 ${H}H${W}` }), ticks);
  };
  const table = (counts, width) => el("details", { class: "as-table" }, el("summary", {}, "The same as a table"),
    el("div", { class: "scroll" }, el("table", {}, el("thead", {}, el("tr", {}, el("th", {}, "Activation"),
      el("th", { class: "n" }, "Firings"))), el("tbody", {}, counts.map((n, at) => n ? el("tr", {},
      el("td", {}, `${number(width * at)} to ${number(width * (at + 1))}`), el("td", { class: "n" }, number(n))) : null)))));
  const bars = (rows, write) => {
    const longest = write === share ? 1 : Math.max(...rows.map(row => Math.abs(row[1])), 1e-30);
    return el("div", { class: "bars" }, rows.flatMap(([name, value]) => [
      el("span", { class: "mono" }, typeof name === "number" ? index.words[name] : name),
      el("i", { class: value < 0 ? "neg" : "", style: `--w:${Math.round(100 * Math.abs(value) / longest)}` }),
      el("b", {}, write(value))]));
  };
  const others = (rows, measure) => {
    if (!rows.length) return el("p", { class: "small" }, "None.");
    const head = [["Latent", ""], [measure, "n"], ["co-fire", "n"]];
    return el("table", {}, el("thead", {}, el("tr", {}, head.map(([name, kind]) => el("th", { class: kind }, name)))),
      el("tbody", {}, rows.map(([latent, value, part]) => {
        const row = rowOf.get(latent), token = row === undefined ? -1 : index.carried[row][0];
        const name = row === undefined ? String(latent) : el("a", { href: `#${latent}` }, String(latent));
        return el("tr", {}, el("td", {}, name, token < 0 ? null : el("span", { class: "sub mono" }, index.words[token])),
          el("td", { class: "n" }, number(value)), el("td", { class: "n" }, share(part)));
      })));
  };
  const part = (title, note, content) => el("section", {}, el("h3", {}, title),
    note ? el("p", { class: "note" }, note) : null, content);
  const heading = (title, note) => el("div", { class: "sec-head" }, el("h2", { class: "h3" }, title),
    el("p", { class: "note" }, note));
  const facts = f => {
    const [density, largest, mean, length] = f.numbers;
    const rows = [["Fires", `${number(f.fires)} times, ${share(density)} of tokens`], ["Largest", number(largest)],
      ["Mean where it fires", number(mean)], ["Decoder length", number(length)]];
    return el("dl", { class: "facts" }, rows.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
  };
  const left = (f, cite, words) => el("div", {},
    f.examples.length ? el("section", {}, heading("Where it fires", "deeper tint and underline: larger activation; bold: the place itself"),
      el("h3", { class: "kicker" }, "Strongest, one of each sequence"), passages(f.examples, f.numbers[1], cite, words),
      el("h3", { class: "kicker next" }, "Drawn at random from all its firings"), passages(f.sample, f.numbers[1], cite, words)) : null,
    f.counts.length ? el("section", {}, el("figure", { class: "fig" }, el("p", { class: "fig-title" }, "How strong its firings are"),
      el("div", { class: "plot", tabindex: 0, role: "region", "aria-label": "Histogram" }, histogram(f.counts, f.numbers[4], f.fires)),
      el("figcaption", {}, `Firings by activation; the fullest bin holds ${number(Math.max(...f.counts))}.`),
      table(f.counts, f.numbers[4]))) : null,
    f.raised.length ? el("section", {}, heading("What it writes to the output", "logits of its direction alone; outlined: lowers"),
      el("div", { class: "split half" }, el("div", { class: "label" }, bars(f.raised, signed)),
        el("div", { class: "label" }, bars(f.lowered, signed)))) : null);
  const right = f => el("aside", { class: "panel", "aria-label": "Facts about the latent" },
    part("Firing", "", facts(f)),
    f.carried.length ? part("Where its activation falls", "share of all its activation", bars(f.carried, share)) : null,
    f.read.length ? part("What it is most active on", "mean over all occurrences of a token", bars(f.read, number)) : null,
    f.heads.length ? part("Heads it lies in", "share of its direction's length", bars(f.heads.map((x, at) => [`head ${at}`, x]), share)) : null,
    part("Points the same way", "", others(f.neighbours, "cos")),
    part("Fires at the same tokens", "", others(f.together, "phi")));
  const steps = () => {
    const make = (name, by) => {
      const button = el("button", { type: "button" }, name);
      button.addEventListener("click", () => step(by));
      return button;
    };
    return el("nav", { class: "row pages", "aria-label": "Neighbours in the list" }, make("Before", -1), make("After", 1));
  };
  const open = async row => {
    chosen = row;
    reveal();
    drawList();
    const [records, cite, words] = await Promise.all([block(`c${Math.floor(row / index.chunk)}`), cited(), block("words")]);
    if (chosen !== row) return; /* another was asked for meanwhile */
    const f = records[row % index.chunk];
    article.replaceChildren(el("h2", { class: "long" }, named(f.title)), el("p", { class: "lede" }, named(f.lede)), steps(),
      el("div", { class: "split side" }, left(f, cite, words), right(f)));
    article.dataset.latent = f.latent;
  };
  const fromAddress = () => {
    const asked = /^#(\d+)$/.exec(location.hash);
    if (asked && rowOf.has(Number(asked[1]))) open(rowOf.get(Number(asked[1])));
    else if (chosen < 0 && shown.length) open(shown[0]);
  };

  const KEYS = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity };
  const begin = async () => {
    index = await block("index");
    rowOf = new Map(index.latent.map((latent, row) => [latent, row]));
    narrow();
    query.addEventListener("input", narrow);
    order.addEventListener("change", narrow);
    byId("ask").addEventListener("submit", event => { event.preventDefault(); if (shown.length) choose(shown[0]); });
    list.addEventListener("scroll", () => requestAnimationFrame(drawList), { passive: true });
    list.addEventListener("keydown", event => {
      if (!(event.key in KEYS)) return;
      event.preventDefault();
      step(KEYS[event.key]);
    });
    addEventListener("resize", drawList);
    addEventListener("hashchange", fromAddress);
    document.documentElement.dataset.ready = "list";
    fromAddress();
  };
  begin();
})();
