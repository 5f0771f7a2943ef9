#pragma once

#include <string_view>

/// @file
/// What the report's page carries inside itself, so that it opens offline: style and script, no
/// library.

namespace serpette::detail {

inline constexpr std::string_view kPageStyle = R"css(
:root{--bg:#f6f7f9;--panel:#fff;--ink:#1b1f24;--soft:#57606a;--line:#d8dee4;--grid:#e8ebef;--accent:#0b5cad;--mark:#eef4fb}
@media (prefers-color-scheme:dark){:root{--bg:#0f1318;--panel:#171c23;--ink:#e6e9ed;--soft:#9aa4af;--line:#2c343d;--grid:#252c34;--accent:#6cb0f5;--mark:#1c2733}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
header,main,footer{max-width:1180px;margin:0 auto;padding:0 24px}
header{padding-top:36px}
h1{font-size:28px;line-height:1.2;margin:0 0 6px;letter-spacing:-.01em}
h2{font-size:19px;margin:0 0 4px}
h3{font-size:15px;margin:18px 0 6px}
p{margin:6px 0 10px;max-width:78ch}
.soft{color:var(--soft)}
section{background:var(--panel);border:1px solid var(--line);border-radius:10px;padding:20px 22px;margin:18px 0}
nav{display:flex;flex-wrap:wrap;gap:6px 18px;margin-top:14px;font-size:14px}
a{color:var(--accent);text-decoration:none}a:hover{text-decoration:underline}
.bar{display:flex;flex-wrap:wrap;gap:10px 18px;align-items:center;margin:10px 0 12px}
.bar label{font-size:13px;color:var(--soft);display:inline-flex;gap:6px;align-items:center}
select{font:inherit;font-size:14px;color:var(--ink);background:var(--panel);border:1px solid var(--line);border-radius:6px;padding:4px 8px}
.legend{display:flex;flex-wrap:wrap;gap:6px 8px}
.legend button{font:inherit;font-size:13px;display:inline-flex;align-items:center;gap:7px;border:1px solid var(--line);border-radius:16px;background:var(--panel);color:var(--ink);padding:3px 11px 3px 8px;cursor:pointer}
.legend button[aria-pressed=false]{opacity:.4}
button:focus-visible,select:focus-visible{outline:2px solid var(--accent);outline-offset:1px}
.two{display:grid;grid-template-columns:1fr 1fr;gap:18px}
@media (max-width:900px){.two{grid-template-columns:1fr}}
.chart{position:relative;min-width:0}
.chart svg{display:block;width:100%;height:auto;font-size:12px}
.chart text{fill:var(--soft)}
.chart .title{fill:var(--ink);font-weight:600}
.tip{position:absolute;pointer-events:none;background:var(--panel);border:1px solid var(--line);border-radius:8px;padding:8px 10px;font-size:12.5px;line-height:1.45;box-shadow:0 4px 16px rgba(0,0,0,.13);display:none;white-space:nowrap;z-index:2}
.tip b{font-weight:600}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:13.5px;font-variant-numeric:tabular-nums}
th,td{padding:5px 10px;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child,td:first-child{text-align:left}
thead th{font-weight:600;color:var(--soft);border-bottom:2px solid var(--line)}
tbody tr:hover{background:var(--mark)}
td.words,th.words{text-align:left;white-space:normal}
table.tests th,table.tests td{padding:5px 6px}table.tests td:first-child{white-space:normal;min-width:11em}
table.claims td:first-child{min-width:24em}table.claims td:nth-child(2){min-width:7.5em}
table.glance th{white-space:normal;max-width:9em;vertical-align:bottom}
td small{color:var(--soft)}
figure{margin:10px 0 0}
figure img{max-width:100%;height:auto;border:1px solid var(--line);border-radius:6px;background:#fff}
figcaption{font-size:13px;color:var(--soft);margin-top:6px}
dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 18px;margin:8px 0;font-size:14px}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
code{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:13px}
.note{border-left:3px solid var(--accent);padding:2px 12px;margin:10px 0}
ul{margin:6px 0 10px;padding-left:20px}li{margin:3px 0;max-width:95ch}
footer{padding:6px 24px 40px;color:var(--soft);font-size:13px}
@media print{body{background:#fff}section{break-inside:avoid}}
)css";

/// Ends inside its function, so that other parts of the page can stand behind it: kPageScriptEnd
/// closes it.
inline constexpr std::string_view kPageScriptEnd = "})();";
inline constexpr std::string_view kPageScript = R"js(
(() => {
"use strict";
const S = JSON.parse(document.getElementById("study").textContent);
const $ = id => document.getElementById(id);
const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const metric = id => S.metrics.find(m => m.id === id);
const on = new Set(S.scenarios.map(s => s.id));
const state = {profile: S.profiles[0]};
const mean = v => v.reduce((a, b) => a + b, 0) / v.length;
const spread = v => { const m = mean(v); return Math.sqrt(v.reduce((a, b) => a + (b - m) * (b - m), 0) / v.length); };
const values = (s, r, m) => { const c = ((S.values[state.profile] || {})[s] || {})[r]; return c && c[m] ? c[m].filter(v => v !== null) : null; };
const value = (s, r, m, run) => (((S.values[state.profile] || {})[s] || {})[r] || {})[m]?.[S.runs.indexOf(run)];
const big = v => v >= 1e9 ? (v / 1e9).toFixed(2) + " G" : v >= 1e6 ? (v / 1e6).toFixed(2) + " M" : v >= 1e4 ? (v / 1e3).toFixed(1) + " k" : v.toFixed(0);
const show = (v, m) => m.decimals === 0 ? big(v) : v.toFixed(m.decimals) + (m.unit ? " " + m.unit : "");
const esc = t => t.replace(/[&<>"]/g, c => ({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}[c]));

function ticks(low, high, count) {
  if (!(high > low)) high = low + (low === 0 ? 1 : Math.abs(low) * .1);
  const raw = (high - low) / count, p = 10 ** Math.floor(Math.log10(raw)), f = raw / p;
  const step = p * (f <= 1 ? 1 : f <= 2 ? 2 : f <= 5 ? 5 : 10), out = [];
  for (let i = Math.floor(low / step + 1e-9); i <= Math.ceil(high / step - 1e-9); ++i) out.push(i * step);
  return out;
}
function marker(kind, x, y, r, color) {
  const poly = pts => `<polygon points="${pts.map(([a, b]) => (x + a * r).toFixed(1) + "," + (y + b * r).toFixed(1)).join(" ")}" fill="${color}"/>`;
  switch (kind) {
    case "square": return poly([[-.9, -.9], [.9, -.9], [.9, .9], [-.9, .9]]);
    case "triangle": return poly([[0, -1.2], [1.1, .8], [-1.1, .8]]);
    case "down": return poly([[0, 1.2], [1.1, -.8], [-1.1, -.8]]);
    case "diamond": return poly([[0, -1.3], [1.3, 0], [0, 1.3], [-1.3, 0]]);
    case "cross": return `<path d="M${x - r} ${y - r}l${2 * r} ${2 * r}m0 ${-2 * r}l${-2 * r} ${2 * r}" stroke="${color}" stroke-width="2"/>`;
    default: return `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="${r}" fill="${color}"/>`;
  }
}
const active = () => S.scenarios.filter(s => on.has(s.id));
function tip(el) { let t = el.querySelector(".tip"); if (!t) { t = document.createElement("div"); t.className = "tip"; el.append(t); } return t; }
function place(t, el, x, y) {
  t.style.display = "block";
  const w = el.clientWidth;
  t.style.left = Math.max(0, x + 16 + t.offsetWidth > w ? x - t.offsetWidth - 16 : x + 16) + "px";
  t.style.top = Math.max(0, y - 20) + "px";
}
const swatch = s => `<svg width="22" height="12" aria-hidden="true"><path d="M0 6H22" stroke="${s.color}" stroke-width="2" ${s.dash ? `stroke-dasharray="${s.dash}"` : ""}/>${marker(s.marker, 11, 6, 3.6, s.color)}</svg>`;

function frame(W, H, L, R, T, B, xt, yt, px, py, xf, yf, xl, yl) {
  let g = "";
  for (const y of yt) g += `<path d="M${L} ${py(y)}H${W - R}" stroke="${css("--grid")}"/><text x="${L - 8}" y="${py(y) + 4}" text-anchor="end">${yf(y)}</text>`;
  for (const x of xt) g += `<path d="M${px(x)} ${H - B}v5" stroke="${css("--soft")}"/><text x="${px(x)}" y="${H - B + 19}" text-anchor="middle">${xf(x)}</text>`;
  g += `<path d="M${L} ${T}V${H - B}H${W - R}" fill="none" stroke="${css("--soft")}"/>`;
  g += `<text x="${(L + W - R) / 2}" y="${H - 6}" text-anchor="middle">${esc(xl)}</text><text class="title" x="${L}" y="15">${esc(yl)}</text>`;
  return g;
}
const tickText = m => v => m.decimals === 0 ? big(v) : String(+v.toPrecision(6));

function curves(el, m) {
  const W = 560, H = 380, L = 58, R = 14, T = 28, B = 46, sets = active();
  let high = -Infinity, low = Infinity;
  const data = sets.map(s => S.ratios.map(r => { const v = values(s.id, r, m.id); if (!v) return null;
    const p = {x: +r, y: mean(v), d: spread(v), n: v.length, v}; high = Math.max(high, p.y + p.d); low = Math.min(low, p.y - p.d); return p; }));
  if (!(low <= high)) { low = 0; high = 1; }
  const yt = ticks(low < .5 * high ? 0 : low, high, 6), x = S.ratios.map(Number), xt = ticks(Math.min(...x), Math.max(...x), 6);
  const px = v => L + (v - xt[0]) / (xt[xt.length - 1] - xt[0]) * (W - L - R), py = v => H - B - (v - yt[0]) / (yt[yt.length - 1] - yt[0]) * (H - T - B);
  let g = frame(W, H, L, R, T, B, xt, yt, px, py, v => v, tickText(m), "Pruning ratio [%]", m.label + (m.unit ? ` [${m.unit}]` : ""));
  sets.forEach((s, k) => {
    const dx = (k - (sets.length - 1) / 2) * 1.2, pts = data[k].filter(Boolean);
    let bars = "", dots = "";
    for (const p of pts) {
      const X = px(p.x) + dx;
      if (p.d > 0) { const a = py(p.y + p.d), b = py(Math.max(p.y - p.d, yt[0])); bars += `M${X} ${a}V${b}M${X - 3} ${a}h6M${X - 3} ${b}h6`; }
      dots += marker(s.marker, X, py(p.y), 3.6, s.color);
    }
    g += `<path d="${bars}" stroke="${s.color}" stroke-width="1.1" fill="none"/><path d="${pts.map((p, i) => (i ? "L" : "M") + (px(p.x) + dx).toFixed(1) + " " + py(p.y).toFixed(1)).join("")}" stroke="${s.color}" stroke-width="1.8" fill="none" ${s.dash ? `stroke-dasharray="${s.dash}"` : ""}/>` + dots;
  });
  el.innerHTML = `<svg viewBox="0 0 ${W} ${H}" role="img" aria-label="${esc(m.label)} by pruning ratio">${g}<path class="cursor" stroke="${css("--soft")}" stroke-dasharray="2 3" d=""/></svg>`;
  const svg = el.querySelector("svg"), cursor = el.querySelector(".cursor"), t = tip(el);
  svg.onmousemove = e => {
    const box = svg.getBoundingClientRect(), u = (e.clientX - box.left) / box.width * W;
    const i = x.reduce((best, v, j) => Math.abs(px(v) - u) < Math.abs(px(x[best]) - u) ? j : best, 0);
    cursor.setAttribute("d", `M${px(x[i])} ${T}V${H - B}`);
    t.innerHTML = `<b>${S.ratios[i]} % pruned</b><br>` + sets.map((s, k) => data[k][i] ? `${swatch(s)} ${esc(s.label)}: <b>${show(data[k][i].y, m)}</b> ± ${show(data[k][i].d, m)}` : "").filter(Boolean).join("<br>");
    place(t, el, e.clientX - box.left, e.clientY - box.top);
  };
  svg.onmouseleave = () => { t.style.display = "none"; cursor.setAttribute("d", ""); };
}

function tradeoff(el, mx, my) {
  const W = 1120, H = 440, L = 62, R = 34, T = 28, B = 46, pts = [];
  for (const s of active()) for (const r of S.ratios) {
    const a = values(s.id, r, mx.id), b = values(s.id, r, my.id);
    if (a && b) pts.push({s, r, x: mean(a), y: mean(b), dx: spread(a), dy: spread(b)});
  }
  if (!pts.length) { el.innerHTML = ""; return; }
  const xs = pts.map(p => p.x), ys = pts.map(p => p.y);
  const xt = ticks(Math.min(...xs) < .5 * Math.max(...xs) ? 0 : Math.min(...xs), Math.max(...xs), 8), yt = ticks(0, Math.max(...ys), 6);
  const px = v => L + (v - xt[0]) / (xt[xt.length - 1] - xt[0]) * (W - L - R), py = v => H - B - (v - yt[0]) / (yt[yt.length - 1] - yt[0]) * (H - T - B);
  // A point is on the front if no other costs at most as much and reaches at least as much.
  const front = pts.filter(p => !pts.some(q => q !== p && q.x <= p.x && q.y >= p.y && (q.x < p.x || q.y > p.y))).sort((a, b) => a.x - b.x || b.y - a.y);
  let g = frame(W, H, L, R, T, B, xt, yt, px, py, tickText(mx), tickText(my), mx.label + (mx.unit ? ` [${mx.unit}]` : ""), my.label);
  let step = "";
  front.forEach((p, i) => step += i ? `H${px(p.x).toFixed(1)}V${py(p.y).toFixed(1)}` : `M${px(p.x).toFixed(1)} ${py(p.y).toFixed(1)}`);
  g += `<path d="${step}" fill="none" stroke="${css("--soft")}" stroke-width="5" opacity=".25"/>`;
  for (const p of pts) {
    const X = px(p.x), Y = py(p.y);
    g += `<path d="M${px(p.x - p.dx)} ${Y}H${px(p.x + p.dx)}M${X} ${py(p.y - p.dy)}V${py(p.y + p.dy)}" stroke="${p.s.color}" opacity=".45"/>` + marker(p.s.marker, X, Y, front.includes(p) ? 5.5 : 3.8, p.s.color);
  }
  const taken = [];
  for (const p of front) {
    const X = px(p.x) + 8, Y = py(p.y) - 8;
    if (taken.some(([a, b]) => Math.abs(a - X) < 30 && Math.abs(b - Y) < 13)) continue;
    taken.push([X, Y]);
    g += `<text x="${X}" y="${Y}" font-size="11">${p.r} %</text>`;
  }
  el.innerHTML = `<svg viewBox="0 0 ${W} ${H}" role="img" aria-label="${esc(my.label)} against ${esc(mx.label)}">${g}</svg>`;
  const svg = el.querySelector("svg"), t = tip(el);
  svg.onmousemove = e => {
    const box = svg.getBoundingClientRect(), u = (e.clientX - box.left) / box.width * W, v = (e.clientY - box.top) / box.height * H;
    const p = pts.reduce((a, b) => Math.hypot(px(a.x) - u, py(a.y) - v) <= Math.hypot(px(b.x) - u, py(b.y) - v) ? a : b);
    if (Math.hypot(px(p.x) - u, py(p.y) - v) > 40) { t.style.display = "none"; return; }
    t.innerHTML = `${swatch(p.s)} <b>${esc(p.s.label)}, ${p.r} %</b><br>${esc(my.label)}: ${show(p.y, my)} ± ${show(p.dy, my)}<br>${esc(mx.label)}: ${show(p.x, mx)} ± ${show(p.dx, mx)}` + (front.includes(p) ? "<br>on the Pareto front" : "");
    place(t, el, e.clientX - box.left, e.clientY - box.top);
  };
  svg.onmouseleave = () => t.style.display = "none";
}

const parts = [["ms_input", "Input (decode, letterbox)", "#56b4e9"], ["ms_network", "Network", "#0072b2"], ["ms_post", "Post (threshold, NMS)", "#e69f00"]];
function stack(el) {
  const sets = active(), rows = sets.length, bw = 15, gap = 12, L = 58, R = 10, T = 44, B = 58, W = 1120, H = 342;
  let high = 0;
  const sum = (s, r) => parts.map(([id]) => { const v = values(s, r, id); return v ? mean(v) : 0; });
  for (const s of sets) for (const r of S.ratios) high = Math.max(high, sum(s.id, r).reduce((a, b) => a + b, 0));
  const yt = ticks(0, high, 5), py = v => H - B - v / yt[yt.length - 1] * (H - T - B), group = (W - L - R) / S.ratios.length;
  const w = Math.min(22, (group - 14) / Math.max(1, rows));
  let g = "";
  for (const y of yt) g += `<path d="M${L} ${py(y)}H${W - R}" stroke="${css("--grid")}"/><text x="${L - 8}" y="${py(y) + 4}" text-anchor="end">${+y.toPrecision(5)}</text>`;
  let lx = L;
  for (const [, name, color] of parts) { g += `<rect x="${lx}" y="22" width="12" height="12" rx="2" fill="${color}"/><text x="${lx + 18}" y="32">${name}</text>`; lx += 190; }
  g += `<text class="title" x="${L}" y="13">Median time per image by part [ms]</text>`;
  S.ratios.forEach((r, i) => {
    const x0 = L + i * group + (group - w * rows) / 2;
    g += `<text x="${L + (i + .5) * group}" y="${H - B + 30}" text-anchor="middle">${r} %</text>`;
    sets.forEach((s, k) => {
      let base = 0; const v = sum(s.id, r), x = x0 + k * w + 1;
      v.forEach((d, j) => { g += `<rect x="${x}" y="${py(base + d)}" width="${w - 2}" height="${Math.max(0, py(base) - py(base + d))}" fill="${parts[j][2]}"><title>${esc(s.label)}, ${r} %: ${parts.map((p, q) => p[1] + " " + v[q].toFixed(2) + " ms").join(", ")}</title></rect>`; base += d; });
      g += marker(s.marker, x + w / 2 - 1, H - B + 11, 3.6, s.color);
    });
  });
  g += `<path d="M${L} ${T}V${H - B}H${W - R}" fill="none" stroke="${css("--soft")}"/><text x="${(L + W - R) / 2}" y="${H - 5}" text-anchor="middle">Pruning ratio; marks name the scenario as in the legend above</text>`;
  el.innerHTML = `<svg viewBox="0 0 ${W} ${H}" role="img" aria-label="time per image by part">${g}</svg>`;
}

function table(el, m) {
  let h = `<thead><tr><th>Scenario</th>${S.ratios.map(r => `<th>${r} %</th>`).join("")}</tr></thead><tbody>`;
  for (const s of active()) {
    h += `<tr><td>${swatch(s)} ${esc(s.label)}</td>`;
    for (const r of S.ratios) { const v = values(s.id, r, m.id); h += v ? `<td>${show(mean(v), m)}<br><small>± ${show(spread(v), m)}</small></td>` : "<td>–</td>"; }
    h += "</tr>";
  }
  el.innerHTML = h + "</tbody>";
}

function fill(select, ids, chosen) {
  select.innerHTML = ids.map(i => `<option value="${i}"${i === chosen ? " selected" : ""}>${esc(metric(i).label)}</option>`).join("");
  select.onchange = draw;
}
function draw() {
  curves($("curve-a"), metric($("metric-a").value));
  curves($("curve-b"), metric($("metric-b").value));
  if ($("trade-x").value && $("trade-y").value) tradeoff($("tradeoff"), metric($("trade-x").value), metric($("trade-y").value));
  if ($("stack")) stack($("stack"));
  table($("results"), metric($("metric-t").value));
}
const has = id => S.metrics.some(m => m.id === id), better = S.metrics.filter(m => m.better).map(m => m.id), cost = S.metrics.filter(m => !m.better).map(m => m.id), all = S.metrics.map(m => m.id);
fill($("metric-a"), all, "AP50"); fill($("metric-b"), all, has("ms_network") ? "ms_network" : has("ms_total") ? "ms_total" : all[all.length - 1]); fill($("metric-t"), all, "AP50");
fill($("trade-x"), cost, "ms_network"); fill($("trade-y"), better, has("robust_AP50") ? "robust_AP50" : "AP50");
for (const p of document.querySelectorAll(".profile")) {
  p.innerHTML = S.profiles.map(x => `<option value="${x}">${esc(S.profileLabels[x] || x)}</option>`).join("");
  p.onchange = () => { state.profile = p.value; document.querySelectorAll(".profile").forEach(q => q.value = p.value); draw(); };
}
for (const l of document.querySelectorAll(".legend")) for (const s of S.scenarios) {
  const b = document.createElement("button");
  b.type = "button"; b.innerHTML = swatch(s) + esc(s.label); b.dataset.id = s.id; b.setAttribute("aria-pressed", "true");
  b.onclick = () => { on.has(s.id) ? on.delete(s.id) : on.add(s.id); if (!on.size) S.scenarios.forEach(x => on.add(x.id));
    document.querySelectorAll(".legend button").forEach(q => q.setAttribute("aria-pressed", on.has(q.dataset.id))); draw(); };
  l.append(b);
}
matchMedia("(prefers-color-scheme:dark)").addEventListener("change", draw);
draw();
)js";

}  // namespace serpette::detail
