#pragma once

#include <fmt/format.h>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serpette/io/read_file.hpp"
#include "serpette_report/base64.hpp"
#include "serpette_report/glance.hpp"
#include "serpette_report/markup.hpp"
#include "serpette_report/page_charts.hpp"
#include "serpette_report/page_frame.hpp"
#include "serpette_report/page_script.hpp"
#include "serpette_report/palette.hpp"
#include "serpette_report/paper_means.hpp"
#include "serpette_report/samples.hpp"
#include "serpette_report/study.hpp"
#include "serpette_report/viewer.hpp"

namespace serpette {

/// A picture for the page, PNG or JPEG; embedded, so that the page needs no file beside it.
struct PagePicture {
  std::filesystem::path file;
  std::string caption;
};

/// A block of prose, or a table, for the page.
struct PageSection {
  std::string id, title;
  std::string html;  ///< As it stands: escape what is not yours.
};

/// What a page shows besides the cells.
struct PageOptions {
  std::string title = "Pruning a robust detector";
  std::string introduction;  ///< One or two sentences; may be empty.
  std::vector<std::pair<std::string, std::string>>
      facts;                          ///< How it was made: name and value (command, seed, …).
  std::vector<PagePicture> pictures;  ///< Sample grids.
  std::vector<PageSection> sections;  ///< Shown behind the results, in this order.
  const Samples* samples = nullptr;   ///< For the viewer of boxes; none without.
};

namespace detail {

/// The study as the page's script reads it.
inline std::string page_data(const Study& study) {
  using nlohmann::ordered_json;
  ordered_json data;
  const auto styles = scenario_styles(study.scenarios());
  const auto color = [](const SeriesStyle& style) { return fmt::format("var(--h{})", style.hue); };
  for (std::size_t i = 0; i < study.scenarios().size(); ++i)
    data["scenarios"].push_back({{"id", study.scenarios()[i]},
                                 {"label", scenario_label(study.scenarios()[i])},
                                 {"color", color(styles[i])},
                                 {"marker", styles[i].marker},
                                 {"dash", styles[i].dash},
                                 {"grey", is_grey(study, study.scenarios()[i])}});
  data["runs"] = study.runs();
  data["ratios"] = study.ratios();
  data["profiles"] = study.profiles();
  for (const auto& profile : study.profiles())
    data["profileLabels"][profile] = profile_label(profile);
  for (const auto& m : study.metrics())
    data["metrics"].push_back({{"id", m.id},
                               {"label", study.label(m)},
                               {"unit", m.unit},
                               {"better", m.more_is_better},
                               {"decimals", m.decimals}});
  for (const auto& profile : study.profiles())
    for (const auto& scenario : study.scenarios())
      for (const auto& ratio : study.ratios())
        for (const auto& m : study.metrics()) {
          if (study.values(scenario, ratio, profile, m).empty()) continue;
          auto& list = data["values"][profile][scenario][ratio][std::string(m.id)];
          for (const auto run : study.runs()) {
            const auto* cell = study.find(scenario, ratio, profile, run);
            const double value = cell == nullptr ? NAN : study.value(*cell, m);
            list.push_back(std::isnan(value) ? ordered_json(nullptr)
                           : m.decimals == 0 ? ordered_json(std::int64_t(value))
                                             : ordered_json(value));
          }
        }
  data["originalLabel"] = scenario_label(kOriginal);
  data["originalColor"] = color(original_style());
  for (const auto& profile : study.profiles())
    for (const auto& m : study.metrics())
      if (const auto values = study.original(profile, m); !values.empty())
        data["original"][profile][std::string(m.id)] = values;
  data["paperMetric"] = "retention_robust_AP50";
  data["paper"] = ordered_json::object();
  for (const auto& scenario : study.scenarios())
    for (const auto& ratio : study.ratios())
      if (const auto part = paper_retention(scenario, ratio))
        data["paper"][scenario][ratio] = *part;
  return script_json(data);
}

}  // namespace detail

/// The study as one HTML page that opens offline: style, script, data and pictures are inside.
inline std::string page_html(const Study& study, const PageOptions& options = {}) {
  const auto select = [](std::string_view label, std::string_view attributes) {
    return fmt::format("<label>{} <select {}></select></label>", label, attributes);
  };
  const auto profile = [&] { return select("Profile", "class=\"profile\""); };
  std::string navigation, rest;
  for (const auto& section : options.sections) {
    navigation += fmt::format("<a href=\"#{}\">{}</a>", section.id, escape_xml(section.title));
    rest += fmt::format("<section id=\"{}\"><h2>{}</h2>{}</section>\n", section.id,
                        escape_xml(section.title), section.html);
  }
  std::string pictures;
  for (const auto& picture : options.pictures)
    pictures +=
        fmt::format("<figure><img src=\"{}\" alt=\"{}\"><figcaption>{}</figcaption></figure>",
                    picture_address(read_file(picture.file), picture.file.string()),
                    escape_xml(picture.caption), escape_xml(picture.caption));
  if (options.samples != nullptr) {
    pictures = viewer_section(*options.samples) +
               (pictures.empty() ? pictures
                                 : fmt::format("<section id=\"pictures\"><h2>Pictures</h2>{}"
                                               "</section>\n",
                                               pictures));
  } else if (!pictures.empty()) {
    pictures = fmt::format("<section id=\"samples\"><h2>What the networks see</h2>{}</section>\n",
                           pictures);
  }
  const bool timed = study.has("ms_network") && study.has("ms_input") && study.has("ms_post");
  std::string facts;
  for (const auto& [name, value] : options.facts)
    facts += fmt::format("<dt>{}</dt><dd>{}</dd>", escape_xml(name), escape_xml(value));

  std::string html = fmt::format(
      "<header><h1>{}</h1><p class=\"soft\">{}: {} × {} × {}. "
      "{}</p><nav><a href=\"#glance\">At a glance</a><a href=\"#curves\">Curves</a><a "
      "href=\"#trade\">Trade-off</a>"
      "{}{}<a href=\"#table\">All numbers</a>{}<a href=\"#made\">How it was made</a></nav>"
      "</header>\n<main>\n",
      escape_xml(options.title), counted(study.networks(), "pruned network"),
      counted(study.scenarios().size(), "scenario"), counted(study.ratios().size(), "ratio"),
      counted(study.runs().size(), "run"), escape_xml(options.introduction),
      timed ? "<a href=\"#time\">Time by part</a>" : "",
      pictures.empty() ? "" : "<a href=\"#samples\">Samples</a>", navigation);
  if (const auto missing = study.missing(); !missing.empty())
    html += fmt::format("<p class=\"note\">{} {} missing, so that groups differ in size: {}{}</p>",
                        counted(missing.size(), "cell"), missing.size() == 1 ? "is" : "are",
                        escape_xml(missing.front()), missing.size() > 1 ? "; …" : "");
  html += "<section id=\"glance\"><h2>At a glance</h2>" + glance_html(study) + "</section>\n";
  html +=
      "<section id=\"curves\"><h2>What pruning costs</h2><p class=\"soft\">Every network by how "
      "much of it was pruned. Large marks are means over the runs, bars one standard deviation, "
      "small dots the runs themselves. Click a scenario to hide or show it; hover for "
      "numbers.</p>"
      "<div class=\"bar\">" +
      select("Left", "id=\"metric-a\"") + select("Right", "id=\"metric-b\"") + profile() +
      "</div><div class=\"legend\"></div><div class=\"two\"><div class=\"chart\" "
      "id=\"curve-a\"></div>"
      "<div class=\"chart\" id=\"curve-b\"></div></div><noscript><p class=\"note\">The charts need "
      "JavaScript; every "
      "number is in the CSV files beside this page.</p></noscript></section>\n";
  html +=
      "<section id=\"trade\"><h2>What is worth its time</h2><p class=\"soft\">Quality against "
      "cost. Large marks, joined by the band, are the networks that no other beats in both (the "
      "Pareto front); percentages say how much was pruned.</p><div class=\"bar\">" +
      select("Quality", "id=\"trade-y\"") + select("Cost", "id=\"trade-x\"") + profile() +
      "</div><div class=\"legend\"></div><div class=\"chart\" id=\"tradeoff\"></div></section>\n";
  if (timed)
    html +=
        "<section id=\"time\"><h2>Where the time goes</h2><p class=\"soft\">Reading the image and "
        "fitting it into the network's input, the network itself, and the boxes made of its output "
        "(threshold, suppression). One image at a time, after warm-up.</p>"
        "<div class=\"bar\">" +
        profile() +
        "</div><div class=\"legend\"></div><div class=\"scroll\"><div class=\"chart\" "
        "id=\"stack\"></div></div></section>\n";
  html += pictures;
  html += "<section id=\"table\"><h2>All numbers</h2><div class=\"bar\">" +
          select("Metric", "id=\"metric-t\"") + profile() +
          "</div><div class=\"scroll\"><table id=\"results\"></table></div><p class=\"soft\">Mean "
          "± standard deviation "
          "(population) over the runs.</p></section>\n";
  html += rest;
  html += "<section id=\"made\"><h2>How it was made</h2><dl>" + facts +
          "</dl><p class=\"soft\">The numbers behind this page are in runs.csv, summary.csv and "
          "tests.csv beside it; tables/ and figures/ hold them for papers.</p></section>\n</main>\n"
          "<footer>Made by serpette.</footer>\n<script type=\"application/json\" id=\"study\">" +
          detail::page_data(study) + "</script>\n";
  std::string script(detail::kCurveScript);
  for (const auto part :
       {detail::kChartScript, detail::kViewerScript, detail::kPageScriptEnd, detail::kScrollScript})
    script += part;
  return detail::framed_page(options.title, html, script, detail::kViewerStyle);
}

}  // namespace serpette
