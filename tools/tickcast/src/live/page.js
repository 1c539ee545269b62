"use strict";
// Asks for the latest snapshot every second and writes it into the page. Whatever comes is text:
// nothing of it is ever read as HTML.

const PERIOD_MS = 1000;
const PATIENCE_MS = 5000;
const POINTS = 240;

const history = { rate: [], p99: [] };
let shown = -1;

const $ = (id) => document.getElementById(id);
const count = (n) => Math.round(n).toLocaleString("en-US");

function digits(value) {
  return value < 9.995 ? value.toFixed(2) : value < 99.95 ? value.toFixed(1) : value.toFixed(0);
}

function scaled(value, units) {
  if (value === null) return "-";
  let at = 0;
  while (value >= 999.5 && at < units.length - 1) {
    value /= 1000;
    at += 1;
  }
  return `${at === 0 ? Math.round(value) : digits(value)} ${units[at]}`;
}

const time = (ns) => scaled(ns, ["ns", "µs", "ms", "s"]);
const bytes = (n) => scaled(n, ["B/s", "kB/s", "MB/s", "GB/s"]);

function percent(share) {
  if (share === null) return "-";
  const value = share * 100;
  if (value === 0) return "0 %";
  return value < 0.01 ? "<0.01 %" : `${digits(value)} %`;
}

function clock(seconds) {
  const two = (n) => String(Math.floor(n)).padStart(2, "0");
  return `${two(seconds / 3600)}:${two((seconds / 60) % 60)}:${two(seconds % 60)}`;
}

/** A text with a look: good, notice or bad. */
const look = (text, kind) => ({ text, kind });
const unlessZero = (n, kind = "notice") => look(count(n), n > 0 ? kind : "");

function fill(element, value) {
  if (value instanceof Node) {
    element.replaceChildren(value);
    return element;
  }
  const { text, kind } = typeof value === "object" ? value : { text: value, kind: "" };
  element.textContent = text;
  element.className = kind;
  return element;
}

const make = (tag, value = "") => fill(document.createElement(tag), value);

function figures(id, pairs) {
  $(id).replaceChildren(...pairs.map(([name, value]) => {
    const pair = document.createElement("div");
    pair.append(make("dt", name), make("dd", value));
    return pair;
  }));
}

function row(cells, tag) {
  const element = document.createElement("tr");
  element.append(...cells.map((cell, at) => {
    const of = make(at === 0 ? "th" : tag, cell);
    if (of.tagName === "TH") of.scope = tag === "th" ? "col" : "row";
    return of;
  }));
  return element;
}

/** `groups` are headings over several columns: a text and how many. */
function table(id, names, rows, groups = []) {
  const head = document.createElement("thead");
  if (groups.length > 0) {
    const above = document.createElement("tr");
    above.append(document.createElement("td"), ...groups.map(([text, columns]) => {
      const heading = make("th", text);
      heading.colSpan = columns;
      heading.scope = "colgroup";
      return heading;
    }));
    head.append(above);
  }
  head.append(row(names, "th"));
  const body = document.createElement("tbody");
  body.append(...rows.map((cells) => row(cells, "td")));
  $(id).replaceChildren(head, body);
}

function curve(id, points) {
  const most = Math.max(1, ...points);
  const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
  const place = (value, at) => `${at + POINTS - points.length},${(46 - 44 * value / most).toFixed(2)}`;
  line.setAttribute("points", points.map(place).join(" "));
  $(id).replaceChildren(line);
}

function remember(points, value) {
  points.push(value);
  if (points.length > POINTS) points.shift();
}

/** A share as a bar and in figures. */
function meter(share) {
  const both = document.createElement("span");
  const bar = document.createElement("meter");
  bar.max = 1;
  bar.high = 0.8;
  bar.value = share;
  bar.setAttribute("aria-hidden", "true");
  both.append(bar, ` ${percent(share)}`);
  return both;
}

function proof(proof) {
  if (proof.differs) return look("DIFFERS from what was published", "bad");
  if (proof.to_seq === null || proof.to_seq < proof.from_seq) return look("no digest yet", "notice");
  return look(`as published, seq ${count(proof.from_seq)} to ${count(proof.to_seq)}`, "good");
}

const RECOVERY = { none: "notice", idle: "good", healing: "notice", failing: "bad" };

function showNow(s) {
  figures("now", [
    ["Ticks a second", count(s.stream.ticks_per_s)],
    ["Delivered, ticks", count(s.stream.delivered)],
    ["Lost, ticks", unlessZero(s.stream.lost, "bad")],
    ["Next seq", count(s.next_seq)],
    ...(s.proof === null ? [] : [["Proof", proof(s.proof)]]),
  ]);
  const total = s.stages.find((stage) => stage.stage === "total");
  remember(history.rate, s.stream.ticks_per_s);
  remember(history.p99, total && total.now.p99 !== null ? total.now.p99 : 0);
  $("rate-now").textContent = count(s.stream.ticks_per_s);
  $("p99-now").textContent = time(total ? total.now.p99 : null);
  $("rate-most").textContent = count(Math.max(...history.rate));
  $("p99-most").textContent = time(Math.max(...history.p99));
  curve("rate", history.rate);
  curve("p99", history.p99);
}

function showLines(lines) {
  table("lines", ["Line", "State", "Ticks/s", "Packets/s", "Bytes", "First", "Lead", "Missing", "Missing, ticks",
    "Duplicates, ticks", "Dropped by kernel", "Refused", "Silences"],
  lines.map((line) => [
    line.name,
    line.silent ? look("silent", "bad") : look("up", "good"),
    count(line.ticks_per_s),
    count(line.packets_per_s),
    bytes(line.bytes_per_s),
    percent(line.first_share),
    time(line.lead_ns),
    percent(line.missing_share),
    unlessZero(line.missing),
    count(line.duplicates),
    unlessZero(line.kernel_dropped),
    unlessZero(line.refused),
    unlessZero(line.downs),
  ]));
}

function showLatency(stages) {
  const names = ["p50", "p99", "p99.9", "max", "samples"];
  const half = (row) => [time(row.p50), time(row.p99), time(row.p99_9), time(row.max), count(row.samples)];
  table("latency", ["Stage", ...names, ...names, "Negative"],
    stages.map((s) => [s.stage, ...half(s.now), ...half(s.since), unlessZero(s.since.negative)]),
    [["In the last interval", 5], ["Since the start", 6]]);
}

function showGaps(s) {
  const r = s.recovery;
  figures("gaps", [
    ["Recovery", look(r.state, RECOVERY[r.state])],
    ["Open gaps", unlessZero(s.stream.open_gaps)],
    ["Gaps on both lines", count(s.stream.gaps)],
    ["Of them healed", count(s.stream.healed_gaps)],
    ["Held, ticks", count(s.stream.held)],
    ["Retransmitted, ticks", count(r.retransmitted)],
    ["Requests", count(r.retransmit_requests)],
    ["Refused requests", unlessZero(r.refusals)],
    ["Failed requests", unlessZero(r.failures + r.lies)],
    ["Failed connections", unlessZero(r.connect_failures)],
    ["Snapshots", count(r.snapshots)],
  ]);
  const some = s.causes.filter((cause) => cause.recovered + cause.lost > 0);
  table("causes", ["Cause", "Recovered, ticks", "Lost, ticks"], some.length > 0
    ? some.map((cause) => [cause.cause, count(cause.recovered), unlessZero(cause.lost, "bad")])
    : [["nothing went missing on both lines", "", ""]]);
}

function showRest(s) {
  table("queues", ["Strategy", "Full", "Waiting, lines", "Of"],
    s.queues.map((q) => [q.reader, meter(q.fill), count(q.waiting), count(q.capacity)]));
  $("active").textContent = `${count(s.active_instruments)} instruments had ticks in the last interval.`;
  table("instruments", ["Instrument", "Ticks/s", "Share", "Ticks"],
    s.instruments.map((i) => [i.name, count(i.ticks_per_s), percent(i.share), count(i.ticks)]));
}

function show(s) {
  const state = s.session === "0" ? look("nothing heard yet", "notice")
    : s.ended ? look("session ended", "notice") : look("live", "good");
  fill($("state"), state);
  $("about").textContent = `up ${clock(s.running_s)}, session ${s.session}`;
  if (s.at_ns === shown || s.at_ns === 0) return;
  shown = s.at_ns;
  showNow(s);
  showLines(s.lines);
  showLatency(s.stages);
  showGaps(s);
  showRest(s);
}

async function ask() {
  try {
    const reply = await fetch("/snapshot.json", { signal: AbortSignal.timeout(PATIENCE_MS) });
    show(await reply.json());
  } catch {
    fill($("state"), look("no answer: has it ended?", "bad"));
  }
  setTimeout(ask, PERIOD_MS);
}

ask();
