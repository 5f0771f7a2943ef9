#pragma once

#include <string_view>

/// @file
/// Trade-off, times and results on the report's page (page_script.hpp).

namespace serpette::detail {

inline constexpr std::string_view kChartScript = R"js(
function tradeoff(el, mx, my) {
  const W = wide(el), H = W < 700 ? 380 : 440, L = 62, R = 34, T = 28, B = 46, pts = [];
  for (const s of active()) for (const r of S.ratios) {
    const a = values(s.id, r, mx.id), b = values(s.id, r, my.id);
    if (a && b && a.length && b.length) pts.push({s, r, x: mean(a), y: mean(b), dx: spread(a), dy: spread(b)});
  }
  if (!pts.length) { el.innerHTML = ""; return; }
  const xs = pts.map(p => p.x), ys = pts.map(p => p.y);
  const xt = ticks(Math.min(...xs) < .5 * Math.max(...xs) ? 0 : Math.min(...xs), Math.max(...xs), W < 700 ? 4 : 8), yt = ticks(0, Math.max(...ys, ...original(my.id)), 6);
  const px = v => L + (v - xt[0]) / (xt[xt.length - 1] - xt[0]) * (W - L - R), py = v => H - B - (v - yt[0]) / (yt[yt.length - 1] - yt[0]) * (H - T - B);
  // A point is on the front if no other costs at most as much and reaches at least as much.
  const front = pts.filter(p => !pts.some(q => q !== p && q.x <= p.x && q.y >= p.y && (q.x < p.x || q.y > p.y))).sort((a, b) => a.x - b.x || b.y - a.y);
  let g = frame(W, H, L, R, T, B, xt, yt, px, py, tickText(mx), tickText(my), mx.label + (mx.unit ? ` [${mx.unit}]` : ""), my.label);
  let step = "";
  const oy = original(my.id);
  front.forEach((p, i) => step += i ? `H${px(p.x).toFixed(1)}V${py(p.y).toFixed(1)}` : `M${px(p.x).toFixed(1)} ${py(p.y).toFixed(1)}`);
  g += `<path d="${step}" fill="none" stroke="var(--soft)" stroke-width="5" opacity=".25"/>`;
  for (const p of pts) {
    const X = px(p.x), Y = py(p.y);
    g += `<path d="M${px(p.x - p.dx)} ${Y}H${px(p.x + p.dx)}M${X} ${py(p.y - p.dy)}V${py(p.y + p.dy)}" stroke="${p.s.color}" opacity=".45"/>` + marker(p.s.marker, X, Y, front.includes(p) ? 5.5 : 3.8, p.s.color);
  }
  if (oy.length) { const Y = py(mean(oy)).toFixed(1); if (mean(oy) <= yt[yt.length - 1]) g += `<path d="M${L} ${Y}H${W - R}" stroke="${S.originalColor}" stroke-width="1.4" stroke-dasharray="2 4" fill="none"/><text x="${W - R}" y="${Y - 5}" text-anchor="end">${esc(S.originalLabel)}</text>`; }
  const taken = [];
  for (const p of front) {
    const X = px(p.x) + 8, Y = py(p.y) - 8;
    if (taken.some(([a, b]) => Math.abs(a - X) < 30 && Math.abs(b - Y) < 13)) continue;
    taken.push([X, Y]);
    g += `<text x="${X}" y="${Y}" font-size="11">${p.r} %</text>`;
  }
  el.innerHTML = `<svg width="${W}" height="${H}" viewBox="0 0 ${W} ${H}" role="img" aria-label="${esc(my.label)} against ${esc(mx.label)}">${g}</svg>`;
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

const parts = [["ms_input", "Reading the image", "var(--h6)"], ["ms_network", "Network", "var(--h0)"], ["ms_post", "Boxes from its output", "var(--h5)"]];
function stack(el) {
  const sets = active(), rows = sets.length, L = 58, R = 10, narrow = wide(el) < 620, T = narrow ? 84 : 44, B = 58, W = Math.max(wide(el), 70 + S.ratios.length * (14 + 7 * rows)), H = 342;
  let high = 0;
  const sum = (s, r) => parts.map(([id]) => { const v = values(s, r, id); return v && v.length ? mean(v) : 0; });
  for (const s of sets) for (const r of S.ratios) high = Math.max(high, sum(s.id, r).reduce((a, b) => a + b, 0));
  const yt = ticks(0, high, 5), py = v => H - B - v / yt[yt.length - 1] * (H - T - B), group = (W - L - R) / S.ratios.length;
  const w = Math.min(22, (group - 14) / Math.max(1, rows));
  let g = "";
  for (const y of yt) g += `<path d="M${L} ${py(y)}H${W - R}" stroke="var(--grid)"/><text x="${L - 8}" y="${py(y) + 4}" text-anchor="end">${+y.toPrecision(5)}</text>`;
  let lx = L;
  parts.forEach(([, name, color], j) => { const y = narrow ? 22 + 20 * j : 22; g += `<rect x="${lx}" y="${y}" width="12" height="12" rx="2" fill="${color}"/><text x="${lx + 18}" y="${y + 10}">${name}</text>`; if (!narrow) lx += 190; });
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
  g += `<path d="M${L} ${T}V${H - B}H${W - R}" fill="none" stroke="var(--soft)"/><text x="${(L + W - R) / 2}" y="${H - 5}" text-anchor="middle">Pruned; marks name the scenario as in the legend</text>`;
  el.innerHTML = `<svg width="${W}" height="${H}" viewBox="0 0 ${W} ${H}" role="img" aria-label="time per image by part">${g}</svg>`;
}

function table(el, m) {
  let h = `<thead><tr><th>Scenario</th>${S.ratios.map(r => `<th>${r} %</th>`).join("")}</tr></thead><tbody>`;
  const whole = original(m.id);
  if (whole.length && S.ratios[0] === "0") h += `<tr><td>${esc(S.originalLabel)}</td><td>${show(mean(whole), m)}</td>${S.ratios.slice(1).map(() => "<td>–</td>").join("")}</tr>`;
  for (const s of active()) {
    h += `<tr><td>${swatch(s)} ${esc(s.label)}</td>`;
    for (const r of S.ratios) { const v = values(s.id, r, m.id); h += v && v.length ? `<td>${show(mean(v), m)}<br><small>± ${show(spread(v), m)}</small></td>` : "<td>–</td>"; }
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
fill($("metric-a"), all, all[0]); fill($("metric-b"), all, all[0] === "robust_AP50" && has("AP50") ? "AP50" : has("ms_network") ? "ms_network" : has("ms_total") ? "ms_total" : all[all.length - 1]); fill($("metric-t"), all, all[0]);
fill($("trade-x"), cost, "ms_network"); fill($("trade-y"), better, all[0]);
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
let seen = 0;
new ResizeObserver(() => { const now = $("curve-a").clientWidth; if (now !== seen) { seen = now; draw(); } }).observe(document.body);
draw();
)js";

}  // namespace serpette::detail
