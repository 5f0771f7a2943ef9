#pragma once

#include <string_view>

/// @file
/// The style of the report's pages, inside them, so that they open offline. Colours are variables
/// (palette.hpp).

namespace serpette::detail {

inline constexpr std::string_view kPageStyle = R"css(
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
.legend button[aria-pressed=false]{color:var(--soft);text-decoration:line-through}.legend button[aria-pressed=false] svg{opacity:.35}
button:focus-visible,select:focus-visible{outline:2px solid var(--accent);outline-offset:1px}
.two{display:grid;grid-template-columns:1fr 1fr;gap:18px}
@media (max-width:900px){.two{grid-template-columns:1fr}}
.chart{position:relative;min-width:0}
.chart svg{display:block;max-width:100%;font-size:13px}.scroll .chart svg{max-width:none}
.chart text{fill:var(--soft)}
.chart .title{fill:var(--ink);font-weight:600}
.tip{position:absolute;pointer-events:none;background:var(--panel);border:1px solid var(--line);border-radius:8px;padding:8px 10px;font-size:12.5px;line-height:1.45;box-shadow:0 4px 16px rgba(0,0,0,.13);display:none;white-space:nowrap;z-index:2}
.tip b{font-weight:600}
.scroll{overflow-x:auto}
.scroll:focus-visible{outline:2px solid var(--accent)}
.more{display:none;font-size:13px;color:var(--soft);margin:8px 0 4px}.more.shown{display:block}
.scroll td:first-child,.scroll th:first-child{position:sticky;left:0;background:var(--panel)}
table{border-collapse:collapse;width:100%;font-size:13.5px;font-variant-numeric:tabular-nums}
th,td{padding:5px 10px;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child,td:first-child{text-align:left}
thead th{font-weight:600;color:var(--soft);border-bottom:2px solid var(--line)}
tbody tr:hover{background:var(--mark)}
table.tests th,table.tests td{padding:5px 6px}table.tests td:first-child{white-space:normal;min-width:11em}
table.claims th,table.claims td{text-align:left;white-space:normal;vertical-align:top}table.claims td:first-child{min-width:22em;position:static}table.claims td:last-child{min-width:18em}table.claims td:nth-last-child(2){font-weight:600}
table.findings td:not(:first-child),table.findings th:not(:first-child){text-align:left;white-space:normal}
table.glance th{white-space:normal;max-width:9em;vertical-align:bottom}
td small{color:var(--soft)}
figure{margin:10px 0 0}
figure img,figure svg{max-width:100%;height:auto;border:1px solid var(--line);border-radius:6px;background:#fff}
figcaption{font-size:13px;color:var(--soft);margin-top:6px}
dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 18px;margin:8px 0;font-size:14px}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
code{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:13px}
.paper td{color:var(--soft)}
.figures{display:grid;grid-template-columns:1fr 1fr;gap:18px}@media (max-width:900px){.figures{grid-template-columns:1fr}}
.note{border-left:3px solid var(--accent);padding:2px 12px;margin:10px 0}
ul{margin:6px 0 10px;padding-left:20px}li{margin:3px 0;max-width:95ch}
footer{padding:6px 24px 40px;color:var(--soft);font-size:13px}
@media print{body{background:#fff}section{break-inside:avoid}}
@media (max-width:700px){header,main,footer{padding:0 12px}section{padding:16px 14px}dl{grid-template-columns:1fr}.scroll td:first-child,.scroll th:first-child{white-space:normal;min-width:8.5em}table.claims td:first-child{position:static;min-width:16em}}
)css";

/// Says of tables and charts that are wider than the screen that they scroll; for every page.
inline constexpr std::string_view kScrollScript = R"js(
(() => {
  const boxes = [...document.querySelectorAll(".scroll")];
  for (const box of boxes) {
    const note = document.createElement("p");
    note.className = "more";
    note.textContent = "Wider than the screen: scroll sideways →";
    box.before(note);
    box.note = note;
  }
  const look = () => { for (const box of boxes) {
    const wide = box.scrollWidth > box.clientWidth + 1;
    box.note.classList.toggle("shown", wide);
    if (wide) box.tabIndex = 0; else box.removeAttribute("tabindex");
  } };
  new ResizeObserver(look).observe(document.body);
  for (const box of boxes) new MutationObserver(look).observe(box, {childList: true, subtree: true});
  addEventListener("toggle", look, true);
  look();
})();
)js";

}  // namespace serpette::detail
