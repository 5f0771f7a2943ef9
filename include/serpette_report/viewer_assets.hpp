#pragma once

#include <string_view>

/// @file
/// The page's viewer of boxes: its place in the page, its style and its script.

namespace serpette::detail {

inline constexpr std::string_view kViewerSection =
    R"html(<section id="samples"><h2>What the networks see</h2>
<p class="soft">Every network's boxes on the same test pictures. Solid: right, it overlaps an object of its class by an IoU of 0.5 or more;
dashed: wrong. Click a tile to enlarge it. Rows of greyscale networks show the picture as they see it.</p>
<div class="bar">
<label>Scenario <select id="v-scenario"></select></label><label>Pruned <select id="v-ratio"></select></label>
<label>Run <select id="v-run"></select></label><label>Metric <select id="v-metric"></select></label>
<label>Images <select id="v-images"><option value="clean">clean</option><option value="attacked">attacked</option></select></label>
<label>Confidence from <input type="range" id="v-least" min="5" max="95" step="5" value="30"><output id="v-least-shown"></output></label>
<label><input type="checkbox" id="v-truth"> objects that are there</label></div>
<div class="viewer"><div id="v-large"></div><div><div id="v-facts"></div><div class="thumbs" id="v-pictures"></div></div></div>
<h3 id="v-title"></h3><div class="scroll"><table class="tiles" id="v-tiles"></table></div>
<p class="soft" id="v-note"></p>
<noscript><p class="note">The viewer needs JavaScript; figures/fig_3.png shows one picture across scenarios and ratios.</p></noscript>
)html";

inline constexpr std::string_view kViewerStyle = R"css(
.viewer{display:grid;grid-template-columns:minmax(0,3fr) minmax(220px,2fr);gap:20px;align-items:start}
@media (max-width:760px){.viewer{grid-template-columns:1fr}}
#v-large svg,.tiles button svg,.thumbs svg{display:block;width:100%;height:auto;border-radius:4px}
#v-large svg{max-height:560px}
.thumbs{display:grid;grid-template-columns:repeat(3,1fr);gap:8px;margin-top:12px}
.thumbs button,.tiles button{display:block;width:100%;padding:2px;border:2px solid transparent;border-radius:6px;background:none;cursor:pointer}
.thumbs button[aria-pressed=true],.tiles button[aria-pressed=true]{border-color:var(--accent)}
.tiles td,.tiles th{padding:3px 2px;text-align:center;border:0;min-width:92px}
.tiles th:first-child,.tiles td:first-child{white-space:normal;min-width:104px;text-align:left}
.tiles small{color:var(--soft)}
.tiles tbody tr:hover{background:none}
input[type=range]{accent-color:var(--accent)}
)css";

/// Runs inside the page's script: uses its S, $, esc, metric, value, values, show, mean, spread,
/// swatch.
inline constexpr std::string_view kViewerScript = R"js(
if ($("boxes")) {
  const P = JSON.parse($("boxes").textContent);
  const view = {picture: 0, images: "clean"};
  const unpack = flat => { const out = []; for (let i = 0; i < flat.length; i += 6) out.push({x: flat[i] / 10, y: flat[i + 1] / 10, w: flat[i + 2] / 10, h: flat[i + 3] / 10, p: flat[i + 4], c: flat[i + 5]}); return out; };
  const iou = (a, b) => {
    const w = Math.max(0, Math.min(a.x + a.w, b.x + b.w) - Math.max(a.x, b.x)), h = Math.max(0, Math.min(a.y + a.h, b.y + b.h) - Math.max(a.y, b.y));
    return w * h / (a.w * a.h + b.w * b.h - w * h);
  };
  // The surest boxes choose first; each object counts once.
  const judge = (found, truth) => {
    const taken = new Set();
    for (const f of found) {
      let best = .5, at = -1;
      truth.forEach((t, i) => { const o = iou(f, t); if (!taken.has(i) && t.c === f.c && o >= best) { best = o; at = i; } });
      f.right = at >= 0;
      if (f.right) taken.add(at);
    }
    return taken;
  };
  const found = (s, r) => {
    const runs = ((P[view.images] || {})[s] || {})[r], all = runs && runs[$("v-run").value];
    return all ? unpack(all[view.picture]).filter(b => b.p >= +$("v-least").value) : null;
  };
  const ink = c => { const v = parseInt(c.slice(1), 16); return .299 * (v >> 16) + .587 * (v >> 8 & 255) + .114 * (v & 255) > 120 ? "#000" : "#fff"; };
  // pixels: how wide the picture will be on the screen, so that lines and letters keep their size.
  function drawing(k, boxes, pixels, labels, grey) {
    const p = P.pictures[k], u = p.w / pixels, truth = unpack(p.truth);
    let g = `<use href="#picture-${k}"${grey ? ' filter="url(#grey)"' : ""}/>`;
    if ($("v-truth").checked && labels)
      for (const t of truth) g += `<rect x="${t.x}" y="${t.y}" width="${t.w}" height="${t.h}" fill="none" stroke="#000" stroke-width="${3 * u}"/><rect x="${t.x}" y="${t.y}" width="${t.w}" height="${t.h}" fill="none" stroke="#fff" stroke-width="${1.4 * u}"/>`;
    for (const b of (boxes || []).slice().reverse()) {
      const c = P.categories[b.c];
      g += `<rect x="${b.x}" y="${b.y}" width="${b.w}" height="${b.h}" fill="none" stroke="${c.color}" stroke-width="${(labels ? 3 : 2) * u}"${b.right ? "" : ` stroke-dasharray="${6 * u} ${4 * u}"`}><title>${esc(c.name)} ${b.p} %</title></rect>`;
      if (!labels) continue;
      const text = `${c.name} ${b.p} %`, size = 13 * u, w = text.length * 7.5 * u + 6 * u, x = Math.max(0, Math.min(b.x, p.w - w)), y = b.y > size * 1.4 ? b.y - size * 1.35 : Math.max(b.y, 0);
      g += `<rect x="${x}" y="${y}" width="${w}" height="${size * 1.35}" fill="${c.color}"/><text x="${x + 3 * u}" y="${y + size}" font-size="${size}" fill="${ink(c.color)}">${esc(text)}</text>`;
    }
    return `<svg viewBox="0 0 ${p.w} ${p.h}" role="img" aria-label="${esc(p.name)}">${g}</svg>`;
  }
  function look() {
    const s = S.scenarios.find(x => x.id === $("v-scenario").value), r = $("v-ratio").value, run = $("v-run").value, m = metric($("v-metric").value);
    view.images = $("v-images") ? $("v-images").value : "clean";
    $("v-least-shown").textContent = $("v-least").value + " %";
    const truth = unpack(P.pictures[view.picture].truth), boxes = found(s.id, r), seen = boxes ? judge(boxes, truth) : null;
    $("v-large").innerHTML = drawing(view.picture, boxes, 620, true, s.grey);
    const all = values(s.id, r, m.id), own = (i, q) => { const v = value(i, q, m.id, +run); return v == null ? "–" : show(v, m); };
    $("v-facts").innerHTML = `<b>${swatch(s)} ${esc(s.label)}, ${r} % pruned</b><br>` +
      (all ? `${esc(m.label)}: <b>${own(s.id, r)}</b> in run ${run}; ${show(mean(all), m)} ± ${show(spread(all), m)} over all runs` : "") + "<br>" +
      (boxes ? `${seen.size} of ${truth.length} objects found, ${boxes.length - seen.size} wrong boxes in this picture${view.images === "attacked" ? " under attack" : ""}` : "no boxes were kept for this network");
    $("v-pictures").innerHTML = P.pictures.map((p, k) => `<button type="button" data-k="${k}" aria-pressed="${k === view.picture}" aria-label="${esc(p.name)}"><svg viewBox="0 0 ${p.w} ${p.h}"><use href="#picture-${k}"/></svg></button>`).join("");
    for (const b of $("v-pictures").children) b.onclick = () => { view.picture = +b.dataset.k; look(); };
    $("v-title").textContent = `${P.pictures[view.picture].name} across scenarios and ratios, run ${run}; below each: ${m.label} of that network`;
    let h = `<thead><tr><th></th>${S.ratios.map(q => `<th>${q} %</th>`).join("")}</tr></thead><tbody>`;
    for (const t of S.scenarios) {
      h += `<tr><td>${swatch(t)}<br>${esc(t.label)}</td>`;
      for (const q of S.ratios) {
        const b = found(t.id, q);
        if (b) judge(b, truth);
        h += `<td><button type="button" data-s="${t.id}" data-r="${q}" aria-pressed="${t.id === s.id && q === r}" aria-label="${esc(t.label)}, ${q} %">${drawing(view.picture, b, 100, false, t.grey)}</button><small>${own(t.id, q)}</small></td>`;
      }
      h += "</tr>";
    }
    $("v-tiles").innerHTML = h + "</tbody>";
    for (const b of $("v-tiles").querySelectorAll("button")) b.onclick = () => { $("v-scenario").value = b.dataset.s; $("v-ratio").value = b.dataset.r; look(); };
    $("v-note").textContent = view.images === "attacked" ? "These boxes were found on the attacked pictures; the perturbation itself is too small to see and is not drawn." : "";
  }
  const store = document.createElement("div");
  store.innerHTML = `<svg width="0" height="0" style="position:absolute" aria-hidden="true"><defs><filter id="grey" color-interpolation-filters="sRGB"><feColorMatrix values=".299 .587 .114 0 0 .299 .587 .114 0 0 .299 .587 .114 0 0 0 0 0 1 0"/></filter>${P.pictures.map((p, k) => `<image id="picture-${k}" width="${p.w}" height="${p.h}" href="${p.src}"/>`).join("")}</defs></svg>`;
  document.body.append(store);
  $("v-scenario").innerHTML = S.scenarios.map(s => `<option value="${s.id}">${esc(s.label)}</option>`).join("");
  $("v-ratio").innerHTML = S.ratios.map(r => `<option value="${r}">${r} %</option>`).join("");
  $("v-run").innerHTML = S.runs.map(r => `<option>${r}</option>`).join("");
  $("v-metric").innerHTML = S.metrics.map(m => `<option value="${m.id}">${esc(m.label)}</option>`).join("");
  if (!P.attacked) $("v-images").parentElement.remove();
  for (const id of ["v-scenario", "v-ratio", "v-run", "v-metric", "v-images", "v-least", "v-truth"]) if ($(id)) $(id).oninput = look;
  for (const p of document.querySelectorAll(".profile")) p.addEventListener("change", look);
  look();
}
)js";

}  // namespace serpette::detail
