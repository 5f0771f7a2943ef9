#pragma once

#include <string_view>

/// @file
/// The script of the report's page, inside it, so that it opens offline: no library. Its parts
/// stand one behind the other in one function: what all share and the curves, the other charts, the
/// controls; other parts of the page may stand before kPageScriptEnd.

namespace serpette::detail {

inline constexpr std::string_view kCurveScript = R"js(
(() => {
"use strict";
const S = JSON.parse(document.getElementById("study").textContent);
const $ = id => document.getElementById(id);
const wide = el => Math.max(300, el.clientWidth || 560);
const metric = id => S.metrics.find(m => m.id === id);
const on = new Set(S.scenarios.map(s => s.id));
const state = {profile: S.profiles[0]};
const mean = v => v.reduce((a, b) => a + b, 0) / v.length;
const spread = v => { const m = mean(v); return Math.sqrt(v.reduce((a, b) => a + (b - m) * (b - m), 0) / v.length); };
const values = (s, r, m) => { const c = ((S.values[state.profile] || {})[s] || {})[r]; return c && c[m] ? c[m].filter(v => v !== null) : null; };
const value = (s, r, m, run) => (((S.values[state.profile] || {})[s] || {})[r] || {})[m]?.[S.runs.indexOf(run)];
const original = id => ((S.original || {})[state.profile] || {})[id] || [];
const big = v => v >= 1e9 ? (v / 1e9).toFixed(2) + " G" : v >= 1e6 ? (v / 1e6).toFixed(2) + " M" : v >= 1e4 ? (v / 1e3).toFixed(1) + " k" : v.toFixed(0);
const show = (v, m) => m.decimals === 0 ? big(v) : v.toFixed(m.decimals) + (m.unit ? " " + m.unit : "");
const num = v => String(+v.toPrecision(6));
const esc = t => t.replace(/[&<>"]/g, c => ({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}[c]));

function ticks(low, high, count) {
  if (!(high > low)) high = low + (low === 0 ? 1 : Math.abs(low) * .1);
  const raw = (high - low) / count, p = 10 ** Math.floor(Math.log10(raw)), f = raw / p;
  const step = p * (f <= 1 ? 1 : f <= 2 ? 2 : f <= 5 ? 5 : 10), out = [];
  for (let i = Math.floor(low / step + 1e-9); i <= Math.ceil(high / step - 1e-9); ++i) out.push(i * step);
  return out;
}
function marker(kind, x, y, r, color) {
  if (!kind) return "";
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
  for (const y of yt) g += `<path d="M${L} ${py(y)}H${W - R}" stroke="var(--grid)"/><text x="${L - 8}" y="${py(y) + 4}" text-anchor="end">${yf(y)}</text>`;
  for (const x of xt) g += `<path d="M${px(x)} ${H - B}v5" stroke="var(--soft)"/><text x="${px(x)}" y="${H - B + 19}" text-anchor="middle">${xf(x)}</text>`;
  g += `<path d="M${L} ${T}V${H - B}H${W - R}" fill="none" stroke="var(--soft)"/>`;
  g += `<text x="${(L + W - R) / 2}" y="${H - 6}" text-anchor="middle">${esc(xl)}</text><text class="title" x="${L}" y="15">${esc(yl)}</text>`;
  return g;
}
const tickText = m => v => m.decimals === 0 ? big(v) : num(v);

function curves(el, m) {
  const W = wide(el), H = 380, L = 58, R = 14, T = 28, B = 46, sets = active();
  let high = -Infinity, low = Infinity;
  const reach = v => { high = Math.max(high, v); low = Math.min(low, v); };
  const data = sets.map(s => S.ratios.map(r => { const v = values(s.id, r, m.id); if (!v || !v.length) return null;
    const p = {x: +r, y: mean(v), d: spread(v), v}; reach(p.y + p.d); reach(p.y - p.d); v.forEach(reach); return p; }));
  const paper = m.id === S.paperMetric ? sets.map(s => S.ratios.map(r => { const y = (S.paper[s.id] || {})[r]; if (y == null) return null; reach(y); return {x: +r, y}; }).filter(Boolean)) : [];
  const whole = original(m.id), base = whole.length ? mean(whole) : null;
  if (base !== null) reach(base);
  if (!(low <= high)) { low = 0; high = 1; }
  const yt = ticks(low < .5 * high ? 0 : low, high, 6), x = S.ratios.map(Number), xt = ticks(Math.min(...x), Math.max(...x), W < 420 ? 4 : 6);
  const px = v => L + (v - xt[0]) / (xt[xt.length - 1] - xt[0]) * (W - L - R), py = v => H - B - (v - yt[0]) / (yt[yt.length - 1] - yt[0]) * (H - T - B);
  const line = (pts, dx) => pts.map((p, i) => (i ? "L" : "M") + (px(p.x) + dx).toFixed(1) + " " + py(p.y).toFixed(1)).join("");
  let g = frame(W, H, L, R, T, B, xt, yt, px, py, num, tickText(m), "Pruned [%]", m.label + (m.unit ? ` [${m.unit}]` : ""));
  if (base !== null) g += `<path d="M${L} ${py(base).toFixed(1)}H${W - R}" stroke="${S.originalColor}" stroke-width="1.4" stroke-dasharray="2 4" fill="none"/><text x="${W - R}" y="${(py(base) - 5).toFixed(1)}" text-anchor="end">${esc(S.originalLabel)}</text>`;
  sets.forEach((s, k) => {
    const dx = (k - (sets.length - 1) / 2) * 1.2, pts = data[k].filter(Boolean);
    let bars = "", dots = "", runs = "";
    for (const p of pts) {
      const X = px(p.x) + dx;
      if (p.d > 0) { const a = py(p.y + p.d), b = py(Math.max(p.y - p.d, yt[0])); bars += `M${X} ${a}V${b}M${X - 3} ${a}h6M${X - 3} ${b}h6`; }
      if (p.v.length > 1) for (const v of p.v) runs += `<circle cx="${X.toFixed(1)}" cy="${py(v).toFixed(1)}" r="1.7"/>`;
      dots += marker(s.marker, X, py(p.y), 3.6, s.color);
    }
    g += `<g fill="${s.color}" opacity=".45">${runs}</g><path d="${bars}" stroke="${s.color}" stroke-width="1.1" fill="none"/><path d="${line(pts, dx)}" stroke="${s.color}" stroke-width="1.8" fill="none" ${s.dash ? `stroke-dasharray="${s.dash}"` : ""}/>` + dots;
    if (paper[k] && paper[k].length) g += `<path d="${line(paper[k], dx)}" stroke="${s.color}" stroke-width="1.2" stroke-dasharray="1 4" stroke-linecap="round" fill="none"/>`;
  });
  el.innerHTML = `<svg width="${W}" height="${H}" viewBox="0 0 ${W} ${H}" role="img" aria-label="${esc(m.label)} by pruning ratio">${g}<path class="cursor" stroke="var(--soft)" stroke-dasharray="2 3" d=""/></svg>` + (paper.some(p => p.length) ? `<p class="soft">Dotted: what the paper's scenario of that colour keeps.</p>` : "");
  const svg = el.querySelector("svg"), cursor = el.querySelector(".cursor"), t = tip(el);
  svg.onmousemove = e => {
    const box = svg.getBoundingClientRect(), u = (e.clientX - box.left) / box.width * W;
    const i = x.reduce((best, v, j) => Math.abs(px(v) - u) < Math.abs(px(x[best]) - u) ? j : best, 0);
    cursor.setAttribute("d", `M${px(x[i])} ${T}V${H - B}`);
    t.innerHTML = `<b>${S.ratios[i]} % pruned</b><br>` + sets.map((s, k) => data[k][i] ? `${swatch(s)} ${esc(s.label)}: <b>${show(data[k][i].y, m)}</b> ± ${show(data[k][i].d, m)}` : "").filter(Boolean).join("<br>") + (base !== null ? `<br>${esc(S.originalLabel)}: <b>${show(base, m)}</b>` : "");
    place(t, el, e.clientX - box.left, e.clientY - box.top);
  };
  svg.onmouseleave = () => { t.style.display = "none"; cursor.setAttribute("d", ""); };
}
)js";

inline constexpr std::string_view kPageScriptEnd = "})();";

}  // namespace serpette::detail
