#pragma once

#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serpette/io/read_file.hpp"
#include "serpette_report/base64.hpp"
#include "serpette_report/figure.hpp"
#include "serpette_report/page_assets.hpp"
#include "serpette_report/samples.hpp"
#include "serpette_report/statistics/describe.hpp"
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

inline std::string_view profile_label(std::string_view profile) {
  if (profile == "standard") return "standard (confidence 0.001)";
  if (profile == "paper") return "paper (confidence 0.5)";
  return profile;
}

/// The study as the page's script reads it.
inline std::string page_data(const Study& study) {
  using nlohmann::ordered_json;
  ordered_json data;
  for (std::size_t i = 0; i < study.scenarios().size(); ++i) {
    const auto style = series_style(i);
    data["scenarios"].push_back({{"id", study.scenarios()[i]},
                                 {"label", scenario_label(study.scenarios()[i])},
                                 {"color", style.color},
                                 {"marker", style.marker},
                                 {"dash", style.dash},
                                 {"grey", is_grey(study, study.scenarios()[i])}});
  }
  data["runs"] = study.runs();
  data["ratios"] = study.ratios();
  data["profiles"] = study.profiles();
  for (const auto& profile : study.profiles())
    data["profileLabels"][profile] = profile_label(profile);
  for (const auto& m : study.metrics())
    data["metrics"].push_back({{"id", m.id},
                               {"label", m.label},
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
            list.push_back(cell == nullptr   ? ordered_json(nullptr)
                           : m.decimals == 0 ? ordered_json(std::int64_t(m.of(*cell)))
                                             : ordered_json(m.of(*cell)));
          }
        }
  return script_json(data);
}

/// One row per scenario: what pruning costs and brings, without script.
inline std::string glance_table(const Study& study) {
  const auto& profile = study.main_profile();
  const auto& quality = study.has("AP50") ? metric("AP50") : study.metrics().front();
  const auto& first = study.ratios().front();
  const auto average = [&](const std::string& scenario, const std::string& ratio,
                           std::string_view id) {
    return mean(study.values(scenario, ratio, profile, metric(id)));
  };
  const std::string_view time = study.has("ms_network") ? "ms_network" : "ms_total";
  std::string html = fmt::format(
      "<div class=\"scroll\"><table class=\"glance\"><thead><tr><th>Scenario</th><th>{0} at {1} "
      "%</th>",
      quality.id, first);
  if (study.has("robust_AP50")) html += fmt::format("<th>robust AP50 at {} %</th>", first);
  html += fmt::format("<th>keeps 90 % of its {0} up to</th><th>{0} there</th>", quality.id);
  if (study.has(time))
    html += fmt::format("<th>{} there</th><th>of its time at {} %</th>", metric(time).label, first);
  if (study.has("parameters")) html += "<th>parameters there</th>";
  html += "</tr></thead><tbody>";
  for (const auto& s : study.scenarios()) {
    if (study.values(s, first, profile, quality).empty()) continue;
    const double full = average(s, first, quality.id);
    std::string reach = first;
    for (const auto& ratio : study.ratios()) {
      if (!(average(s, ratio, quality.id) >= 0.9 * full)) break;
      reach = ratio;
    }
    html += fmt::format("<tr><td>{}</td><td>{:.3f}</td>", escape_xml(scenario_label(s)), full);
    if (study.has("robust_AP50"))
      html += fmt::format("<td>{:.3f}</td>", average(s, first, "robust_AP50"));
    html += fmt::format("<td>{} %</td><td>{:.3f}</td>", reach, average(s, reach, quality.id));
    if (study.has(time))
      html += fmt::format("<td>{:.2f} ms</td><td>{:.0f} %</td>", average(s, reach, time),
                          100 * average(s, reach, time) / average(s, first, time));
    if (study.has("parameters"))
      html += fmt::format("<td>{:.2f} M</td>", average(s, reach, "parameters") / 1e6);
    html += "</tr>";
  }
  return html + "</tbody></table></div>";
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

  std::string html =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">";
  html += fmt::format("<title>{}</title><style>", escape_xml(options.title));
  html += detail::kPageStyle;
  html += detail::kViewerStyle;
  html += fmt::format(
      "</style></head><body>\n<header><h1>{}</h1><p class=\"soft\">{} pruned networks: {} "
      "scenarios × {} ratios × {} "
      "runs. {}</p><nav><a href=\"#glance\">At a glance</a><a href=\"#curves\">Curves</a><a "
      "href=\"#trade\">Trade-off</a>"
      "{}{}<a href=\"#table\">Results</a>{}<a href=\"#made\">How it was made</a></nav>"
      "</header>\n<main>\n",
      escape_xml(options.title), study.networks(), study.scenarios().size(), study.ratios().size(),
      study.runs().size(), escape_xml(options.introduction),
      timed ? "<a href=\"#time\">Time by part</a>" : "",
      pictures.empty() ? "" : "<a href=\"#samples\">Samples</a>", navigation);
  if (const auto missing = study.missing(); !missing.empty())
    html += fmt::format(
        "<p class=\"note\">{} cells are missing, so that groups differ in size: {}{}</p>",
        missing.size(), escape_xml(missing.front()), missing.size() > 1 ? "; …" : "");
  html += "<section id=\"glance\"><h2>At a glance</h2>" + detail::glance_table(study) +
          fmt::format(
              "<p class=\"soft\">Means over the runs, profile {}. AP50: average precision at IoU "
              "0.5 on clean "
              "test images; robust AP50: the same images under the scenario's own "
              "attack.</p></section>\n",
              detail::profile_label(study.main_profile()));
  html +=
      "<section id=\"curves\"><h2>Curves over the pruning ratio</h2><p class=\"soft\">Marks are "
      "means over the runs, "
      "bars one standard deviation (population). Click a scenario to hide or show it; hover for "
      "numbers.</p>"
      "<div class=\"bar\">" +
      select("Left", "id=\"metric-a\"") + select("Right", "id=\"metric-b\"") + profile() +
      "</div><div class=\"legend\"></div><div class=\"two\"><div class=\"chart\" "
      "id=\"curve-a\"></div>"
      "<div class=\"chart\" id=\"curve-b\"></div></div><noscript><p class=\"note\">The charts need "
      "JavaScript; every "
      "number is in the CSV files beside this page.</p></noscript></section>\n";
  html +=
      "<section id=\"trade\"><h2>Trade-off</h2><p class=\"soft\">Large marks joined by the band "
      "are the Pareto "
      "front: nothing else is both cheaper and better. Percentages are pruning ratios.</p><div "
      "class=\"bar\">" +
      select("Quality", "id=\"trade-y\"") + select("Cost", "id=\"trade-x\"") + profile() +
      "</div><div class=\"legend\"></div><div class=\"chart\" id=\"tradeoff\"></div></section>\n";
  if (timed)
    html +=
        "<section id=\"time\"><h2>Time by part</h2><p class=\"soft\">What got faster: reading and "
        "letterboxing the "
        "image, the network, or the threshold and suppression behind it. Batch 1, after "
        "warm-up.</p>"
        "<div class=\"bar\">" +
        profile() + "</div><div class=\"chart\" id=\"stack\"></div></section>\n";
  html += pictures;
  html += "<section id=\"table\"><h2>Results</h2><div class=\"bar\">" +
          select("Metric", "id=\"metric-t\"") + profile() +
          "</div><div class=\"scroll\"><table id=\"results\"></table></div><p class=\"soft\">Mean "
          "± standard deviation "
          "(population) over the runs.</p></section>\n";
  html += rest;
  html += "<section id=\"made\"><h2>How it was made</h2><dl>" + facts +
          "</dl><p class=\"soft\">The numbers behind this page are in runs.csv, summary.csv and "
          "tests.csv beside it; tables/ and figures/ hold them for papers.</p></section>\n</main>\n"
          "<footer>Made by serpette.</footer>\n<script type=\"application/json\" id=\"study\">" +
          detail::page_data(study) + "</script>\n<script>";
  html += detail::kPageScript;
  html += detail::kViewerScript;
  html += detail::kPageScriptEnd;
  return html + "</script></body></html>\n";
}

}  // namespace serpette
