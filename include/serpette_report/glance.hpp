#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "serpette_report/markup.hpp"
#include "serpette_report/statistics/describe.hpp"
#include "serpette_report/study.hpp"
#include "serpette_report/tables.hpp"
#include "serpette_report/text_table.hpp"

namespace serpette {

namespace detail {

inline std::string_view profile_label(std::string_view profile) {
  if (profile == "standard") return "standard (confidence 0.001)";
  if (profile == "paper") return "paper (confidence 0.5)";
  return profile;
}

/// A part as text; a part of nothing is none.
inline std::string shown_part(double part) {
  return std::isfinite(part) ? fmt::format("{:.0f} %", 100 * part) : "–";
}

}  // namespace detail

/// The table that a report opens with: the untouched network, then per scenario what it has
/// unpruned, what it keeps, how far it can be pruned, and what that saves. Means over the runs.
inline TextTable glance_table(const Study& study) {
  const auto& profile = study.main_profile();
  const auto& quality = study.headline();
  const auto& first = study.ratios().front();
  const auto* const time = study.has("ms_network") ? "ms_network" : "ms_total";
  std::vector<const Metric*> qualities{&quality};
  if (quality.id == "robust_AP50" && study.has("AP50")) qualities.push_back(&metric("AP50"));
  const auto average = [&](const std::string& scenario, const std::string& ratio, const Metric& m) {
    return mean(study.values(scenario, ratio, profile, m));
  };
  TextTable table{.name = "glance", .title = "At a glance", .header = {"Scenario"}, .rows = {}};
  const auto both = [&](auto&& print) {  // "0.256 / 0.759": under attack, then clean
    std::string text;
    for (const auto* m : qualities) text += (text.empty() ? "" : " / ") + print(*m);
    return text;
  };
  std::string names = study.label(quality);
  if (qualities.size() > 1) names += " / clean";
  table.header.push_back(names + (first == "0" ? ", unpruned" : fmt::format(", at {} %", first)));
  std::vector<std::string> parts;  // ratios at which the table says what is kept
  for (const auto* const ratio : {"50", "75", "90"})
    if (study.has(fmt::format("retention_{}", quality.id)) &&
        std::ranges::find(study.ratios(), ratio) != study.ratios().end())
      parts.emplace_back(ratio);
  for (const auto& ratio : parts)
    table.header.push_back(fmt::format("kept with {} % pruned", ratio));
  table.header.emplace_back(quality.id == "robust_AP50" ? "pruned while 90 % is kept under attack"
                                                        : "pruned while 90 % is kept");
  if (study.has(time)) table.header.emplace_back("time there, of the unpruned");
  if (study.has("parameters")) table.header.emplace_back("parameters there");

  if (first == "0" && !study.original(profile, quality).empty()) {
    auto& row = table.rows.emplace_back(std::vector{scenario_label(kOriginal)});
    row.push_back(both([&](const Metric& m) {
      return detail::printed(mean(study.original(profile, m)), m.decimals);
    }));
    row.resize(table.header.size(), "–");
  }
  for (const auto& s : study.scenarios()) {
    if (study.values(s, first, profile, quality).empty()) continue;
    const double whole = average(s, first, quality);
    std::string reach;  // none: of nothing no part is kept
    for (const auto& ratio : study.ratios()) {
      if (!(whole > 0 && average(s, ratio, quality) >= 0.9 * whole)) break;
      reach = ratio;
    }
    auto& row = table.rows.emplace_back(std::vector{scenario_label(s)});
    row.push_back(
        both([&](const Metric& m) { return detail::printed(average(s, first, m), m.decimals); }));
    for (const auto& ratio : parts)
      row.push_back(both([&](const Metric& m) {
        return detail::shown_part(average(s, ratio, metric(fmt::format("retention_{}", m.id))));
      }));
    if (reach.empty()) {
      row.resize(table.header.size(), "–");
      continue;
    }
    row.push_back(reach + " %");
    if (study.has(time))
      row.push_back(
          detail::shown_part(average(s, reach, metric(time)) / average(s, first, metric(time))));
    if (study.has("parameters"))
      row.push_back(detail::short_count(average(s, reach, metric("parameters"))));
  }
  return table;
}

/// The same for pages, and what its words mean.
inline std::string glance_html(const Study& study) {
  return to_html(glance_table(study), "glance") +
         fmt::format(
             "<p class=\"soft\">{}Means over {}, profile {}. AP50: average precision, from 0 to 1, "
             "of boxes that overlap an object by half or more; under attack: on the same test "
             "images, changed by the attack that the scenario is trained against; behind the "
             "stroke, clean. Kept: the part of a scenario's own value unpruned.</p>",
             study.original(study.main_profile(), study.headline()).empty()
                 ? ""
                 : "Original: the network as it came, before the study trained or pruned it. ",
             counted(study.runs().size(), "run"), detail::profile_label(study.main_profile()));
}

}  // namespace serpette
