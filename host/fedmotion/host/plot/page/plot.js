"use strict";

const STALLED_AFTER_S = 0.25;
const NARROWEST_PIXELS = 3;
const CLOSEST = 16;
const find = (id) => document.getElementById(id);

let ring = new SampleRing(10);
let hello = {span_s: 10, accel: "m/s²", gyro: "rad/s"};
let spans = [];
let status = {rate_hz: 0, losses: "", trouble: "", n_skipped: 0};
let lineTrouble = "connecting";
let heardMs = 0;
let frozen = null;      // what a paused page goes on to show
let zoom = null;        // [from, to] in seconds relative to the right edge; null is all
let shown = null;       // what was drawn last
let colours = {};
let drawnMs = [];

function readColours() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["ink", "dim", "grid", "x", "y", "z", "gesture", "gap", "ground"]) {
    colours[name] = style.getPropertyValue(`--${name}`).trim();
  }
}

/* 1, 2 or 5 times a power of ten; grows at once and shrinks where there is room, like figure.py. */
function fittingRange(largest, present, least) {
  const roundUp = (value) => {
    const power = 10 ** Math.floor(Math.log10(value));
    return [1, 2, 5, 10].map((step) => step * power).find((each) => each >= value * (1 - 1e-9));
  };
  const wanted = roundUp(Math.max(least, 1.04 * largest));
  return wanted > present ? wanted : Math.min(present, roundUp(Math.max(least, 1.3 * largest)));
}

/* With a minus sign in place of the hyphen. */
function signed(value) {
  return String(value).replace("-", "−");
}

class Panel {
  constructor(id, axis, least) {
    this.place = find(id);
    this.first = axis;
    this.least = least;
    this.half = 4 * least;
    this.gaps = [];
    this.spans = [];
    // One pixel: wider lines of thousands of points cost a browser without a graphics card its 60 frames.
    const line = (name) => ({label: name, stroke: () => colours[name], width: 1, pxAlign: 0, points: {show: false}});
    const scale = {stroke: () => colours.dim, grid: {stroke: () => colours.grid, width: 1}, ticks: {show: false}};
    this.chart = new uPlot({
      ...this.size(),
      legend: {show: false},
      padding: [8, 14, 0, 0],
      cursor: {drag: {x: true, y: false, setScale: false}, points: {show: false}, bind: {dblclick: () => showAll}},
      scales: {
        x: {time: false, range: () => zoom || [-hello.span_s, 0]},
        y: {range: () => [-this.half, this.half]},
      },
      axes: [
        {...scale, size: 30, values: (_, splits) => splits.map((s) => (s === 0 ? "now" : `${signed(+s.toFixed(3))} s`))},
        {...scale, size: 48, values: (_, splits) => splits.map((value) => signed(value))},
      ],
      series: [{}, line("x"), line("y"), line("z")],
      hooks: {
        drawClear: [() => this.drawBands()],
        draw: [() => this.drawCaptions()],
        setSelect: [(chart) => this.select(chart)],
      },
    }, [[], [], [], []], this.place);
  }

  size() {
    return {width: Math.max(120, this.place.clientWidth), height: Math.max(90, this.place.clientHeight)};
  }

  show(points, seenSpans) {
    const lines = points.data.slice(this.first + 1, this.first + 4);
    let largest = 0;
    lines.forEach((values, index) => {
      if (!this.chart.series[index + 1].show) return;
      for (const value of values) if (value > largest) largest = value; else if (-value > largest) largest = -value;
    });
    this.half = fittingRange(largest, this.half, this.least);
    this.gaps = points.gaps;
    this.spans = seenSpans;
    this.chart.setData([points.data[0], ...lines]);
  }

  select(chart) {
    if (chart.select.width > 8) {
      const from = chart.posToVal(chart.select.left, "x");
      const to = chart.posToVal(chart.select.left + chart.select.width, "x");
      zoomTo(from, to);
    }
    if (chart.select.width) chart.setSelect({left: 0, top: 0, width: 0, height: 0}, false);
  }

  pixels(fromS, toS, narrowest) {
    const {left, width} = this.chart.bbox;
    let from = this.chart.valToPos(fromS, "x", true), to = this.chart.valToPos(toS, "x", true);
    const lacking = Math.max(0, narrowest * devicePixelRatio - (to - from)) / 2;
    from = Math.max(left, from - lacking);
    to = Math.min(left + width, to + lacking);
    return [from, to - from];
  }

  drawBands() {
    const {ctx, bbox} = this.chart;
    // Round corners, which lines have otherwise, are not seen here and cost much likewise.
    ctx.lineJoin = "bevel";
    ctx.save();
    for (const [bands, colour] of [[this.gaps, colours.gap], [this.spans, colours.gesture]]) {
      ctx.fillStyle = colour;
      for (const [fromS, toS] of bands) {
        const [x, width] = this.pixels(fromS, toS, NARROWEST_PIXELS);
        if (width > 0) ctx.fillRect(x, bbox.top, width, bbox.height);
      }
    }
    ctx.restore();
  }

  drawCaptions() {
    if (this.first) return;
    const {ctx, bbox} = this.chart;
    const size = 13 * devicePixelRatio;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.font = `600 ${size}px system-ui, "DejaVu Sans", sans-serif`;
    ctx.textAlign = "center";
    ctx.textBaseline = "top";
    ctx.fillStyle = colours.ink;
    const ends = [-Infinity, -Infinity];
    for (const [fromS, toS, caption] of this.spans) {
      const x = this.chart.valToPos((fromS + toS) / 2, "x", true), half = ctx.measureText(caption).width / 2 + 6;
      const row = x - half >= ends[0] ? 0 : 1;
      ends[row] = x + half;
      ctx.fillText(caption, x, bbox.top + (4 * devicePixelRatio) + row * 1.3 * size);
    }
    ctx.restore();
  }
}

function zoomTo(from, to) {
  zoom = [Math.max(-hello.span_s, from), Math.min(0, to)];
  if (zoom[0] <= -hello.span_s && zoom[1] >= 0) zoom = null;
  shown = null;
}

function showAll() {
  zoom = null;
  shown = null;
}

function zoomBy(factor) {
  const [from, to] = zoom || [-hello.span_s, 0];
  const length = Math.max(hello.span_s / CLOSEST, (to - from) * factor);
  // About the right edge while that is seen: there the news are.
  const fixed = to === 0 ? 0 : (from + to) / 2 + length / 2;
  zoomTo(fixed - length, fixed);
}

/* Where the picture's right edge is: at the newest sample, and further on where samples stopped. */
function rightS(nowMs) {
  const lateS = Math.max(0, (nowMs - heardMs) / 1000 - STALLED_AFTER_S);
  return ring.newestS === null ? 0 : ring.newestS + lateS;
}

function draw(nowMs) {
  requestAnimationFrame(draw);
  const from = frozen || {ring, spans, rightS: rightS(nowMs)};
  const key = `${from.ring.stop} ${from.ring.newestS} ${from.rightS} ${from.spans.length}`;
  if (key === shown) return;
  shown = key;
  drawnMs.push(nowMs);
  const [leftS, edgeS] = zoom || [-hello.span_s, 0];
  const columnS = (edgeS - leftS) / Math.max(1, panels[0].chart.bbox.width);
  const points = from.ring.points(from.rightS + leftS, from.rightS + edgeS, from.rightS, columnS);
  const seen = from.spans
    .map((span) => [span.start_s - from.rightS, span.stop_s - from.rightS, span.caption])
    .filter(([fromS, toS]) => toS >= leftS && fromS <= edgeS);
  for (const panel of panels) panel.show(points, seen);
}

function tell() {
  const nowMs = performance.now();
  drawnMs = drawnMs.filter((each) => each > nowMs - 1000);
  const parts = [`${Math.round(status.rate_hz)} Hz`, ...status.losses.split("   ")];
  if (status.n_skipped) parts.push(`skipped here ${status.n_skipped}`);
  parts.push(frozen ? "paused" : `${drawnMs.length} frames/s`);
  find("corner").replaceChildren(...parts.map((part) => {
    const span = document.createElement("span");
    span.textContent = part;
    return span;
  }));
  const trouble = lineTrouble || status.trouble;
  find("trouble").hidden = !trouble;
  find("trouble").textContent = trouble;
}

function take(message) {
  if (typeof message !== "string") {
    ring.append(message);
    heardMs = performance.now();
    const oldestS = ring.newestS - ring.spanS;
    while (spans.length && spans[0].stop_s < oldestS) spans.shift();
    return;
  }
  const told = JSON.parse(message);
  if (told.kind === "hello") {
    hello = told;
    ring = new SampleRing(hello.span_s);
    spans = [];
    find("accel-name").textContent = `acceleration, ${hello.accel}`;
    find("gyro-name").textContent = `angular rate, ${hello.gyro}`;
    panels[1].least = hello.gyro === "deg/s" ? 25 : 0.5;
    showAll();
  } else if (told.kind === "span") {
    spans.push(told);
  } else if (told.kind === "status") {
    status = told;
    find("title").textContent = document.title = told.title;
  }
}

function connect() {
  const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/stream`);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => { lineTrouble = ""; };
  socket.onmessage = (event) => take(event.data);
  socket.onclose = () => {
    lineTrouble = "fedmotion has ended or is out of reach: trying again each second";
    setTimeout(connect, 1000);
  };
}

function pause() {
  frozen = frozen ? null : {ring, spans: [...spans], rightS: rightS(performance.now())};
  if (frozen) {
    // The stream goes on into another ring, which begins with what is here.
    ring = Object.assign(new SampleRing(hello.span_s), {
      t: frozen.ring.t.slice(), axes: frozen.ring.axes.map((axis) => axis.slice()),
      start: frozen.ring.start, stop: frozen.ring.stop,
    });
  }
  find("pause").textContent = frozen ? "Go on" : "Pause";
  find("pause").setAttribute("aria-pressed", String(Boolean(frozen)));
  shown = null;
  tell();
}

function save() {
  const charts = panels.map((panel) => panel.chart.ctx.canvas);
  const scale = devicePixelRatio, line = 26 * scale;
  const picture = document.createElement("canvas");
  picture.width = charts[0].width;
  picture.height = charts.reduce((sum, chart) => sum + chart.height + line, line);
  const ctx = picture.getContext("2d");
  ctx.fillStyle = colours.ground;
  ctx.fillRect(0, 0, picture.width, picture.height);
  ctx.fillStyle = colours.ink;
  ctx.font = `${13 * scale}px system-ui, "DejaVu Sans", sans-serif`;
  ctx.textBaseline = "middle";
  const corner = [...find("corner").children].map((each) => each.textContent).join("   ");
  ctx.fillText(`${document.title}   ${corner}`, 10 * scale, line / 2);
  let y = line;
  charts.forEach((chart, index) => {
    ctx.fillText(find(index ? "gyro-name" : "accel-name").textContent, 10 * scale, y + line / 2);
    ctx.drawImage(chart, 0, y + line);
    y += line + chart.height;
  });
  picture.toBlob((blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `fedmotion-${new Date().toISOString().slice(0, 19).replaceAll(/[-:]/g, "").replace("T", "-")}.png`;
    link.click();
    URL.revokeObjectURL(link.href);
  });
}

readColours();
const panels = [new Panel("accel", 0, 5), new Panel("gyro", 3, 0.5)];
document.querySelectorAll(".axes").forEach((place, panel) => {
  ["x", "y", "z"].forEach((name, axis) => {
    const button = document.createElement("button");
    button.textContent = name;
    button.setAttribute("aria-pressed", "true");
    button.onclick = () => {
      const series = panels[panel].chart.series[axis + 1];
      panels[panel].chart.setSeries(axis + 1, {show: !series.show});
      button.setAttribute("aria-pressed", String(series.show));
      shown = null;
    };
    place.append(button);
  });
});
find("pause").onclick = pause;
find("save").onclick = save;
find("closer").onclick = () => zoomBy(1 / 2);
find("wider").onclick = () => zoomBy(2);
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const act = {" ": pause, s: save, h: showAll, "+": () => zoomBy(1 / 2), "-": () => zoomBy(2)}[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});
new ResizeObserver(() => {
  for (const panel of panels) panel.chart.setSize(panel.size());
  shown = null;
}).observe(document.querySelector("main"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  readColours();
  shown = null;
});
setInterval(tell, 250);
connect();
requestAnimationFrame(draw);
