#pragma once

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "serpette/io/atomic_file.hpp"
#include "serpette_report/families.hpp"
#include "serpette_report/figure.hpp"
#include "serpette_report/page_assets.hpp"
#include "serpette_report/statistics/anova.hpp"
#include "serpette_report/statistics/effect_size.hpp"
#include "serpette_report/statistics/holm.hpp"
#include "serpette_report/study.hpp"
#include "serpette_report/text_table.hpp"

namespace serpette {

/// One scenario of one study, under a name for readers.
struct Contender {
  const Study* study = nullptr;
  std::string scenario;
  std::string label;
};

/// Two contenders at one ratio: `second` less `first`.
struct ContenderTest {
  std::string family, ratio, first, second;
  std::size_t first_runs = 0, second_runs = 0;
  double first_mean = NAN, second_mean = NAN;
  double difference = NAN, low = NAN, high = NAN;  ///< With Welch's 95 % interval.
  double welch_p = NAN,
         holm_p = NAN;  ///< NaN: a group does not vary or has one run; Holm per pair and metric.
  double hedges_g = NAN, g_low = NAN, g_high = NAN;  ///< With its bootstrap interval of 95 %.
};

/// The scenarios of two studies, two by two: those both have by name; or, where they share none (a
/// new policy against the paper's), every scenario of the second against every one of the first.
inline std::vector<std::pair<Contender, Contender>> contenders(const Study& a, const Study& b,
                                                               const std::string& name_a,
                                                               const std::string& name_b) {
  const auto named = [](const Study& study, const std::string& scenario, const std::string& name) {
    return Contender{&study, scenario, fmt::format("{} ({})", scenario_label(scenario), name)};
  };
  std::vector<std::pair<Contender, Contender>> pairs;
  for (const auto& scenario : b.scenarios())
    if (std::ranges::find(a.scenarios(), scenario) != a.scenarios().end())
      pairs.emplace_back(named(a, scenario, name_a), named(b, scenario, name_b));
  if (!pairs.empty()) return pairs;
  for (const auto& second : b.scenarios())
    for (const auto& first : a.scenarios())
      pairs.emplace_back(named(a, first, name_a), named(b, second, name_b));
  return pairs;
}

/// Every pair at every ratio that both have, for every metric family that both measured.
/// @throws Error  if the studies share no ratio, or lack the profile.
inline std::vector<ContenderTest> compare_contenders(
    std::span<const std::pair<Contender, Contender>> pairs, const std::string& profile) {
  std::vector<ContenderTest> tests;
  for (const auto& [first, second] : pairs)
    for (const auto& f : families(*first.study)) {
      if (!second.study->has(f.metric)) continue;
      const auto begin = tests.size();
      std::vector<double> p;
      for (const auto& ratio : first.study->ratios()) {
        const auto x = first.study->values(first.scenario, ratio, profile, metric(f.metric));
        const auto y = second.study->values(second.scenario, ratio, profile, metric(f.metric));
        if (x.empty() || y.empty()) continue;
        ContenderTest t{std::string(f.name),
                        ratio,
                        first.label,
                        second.label,
                        x.size(),
                        y.size(),
                        mean(x),
                        mean(y)};
        t.difference = t.second_mean - t.first_mean;
        if (x.size() >= 2 && y.size() >= 2) {
          t.welch_p = welch_anova({x, y}).p;
          std::tie(t.low, t.high) = welch_interval(y, x);
          t.hedges_g = hedges_g(y, x);
          std::tie(t.g_low, t.g_high) =
              bootstrap_interval(y, x, hedges_g, Resamples::draw(y.size(), x.size(), 2000, 7));
        }
        p.push_back(t.welch_p);
        tests.push_back(std::move(t));
      }
      const auto adjusted = holm(p);
      for (std::size_t i = 0; i < adjusted.size(); ++i) tests[begin + i].holm_p = adjusted[i];
    }
  require(!tests.empty(), "compare",
          "the studies should share a pruning ratio under the profile \"{}\", got none", profile);
  return tests;
}

/// compare.csv.
inline std::string comparison_csv(std::span<const ContenderTest> tests) {
  CsvWriter csv;
  csv.row("metric", "ratio_percent", "first", "second", "first_runs", "second_runs", "first_mean",
          "second_mean", "difference", "difference_low", "difference_high", "welch_p",
          "welch_p_holm", "hedges_g", "hedges_g_low", "hedges_g_high");
  for (const auto& t : tests)
    csv.row(t.family, t.ratio, t.first, t.second, t.first_runs, t.second_runs, t.first_mean,
            t.second_mean, t.difference, t.low, t.high, t.welch_p, t.holm_p, t.hedges_g, t.g_low,
            t.g_high);
  return std::string(csv.text());
}

/// One sentence per pair and metric: where the second is better, worse, or not told apart.
inline std::vector<std::string> comparison_words(std::span<const ContenderTest> tests) {
  std::vector<std::string> sentences;
  for (std::size_t begin = 0, end = 0; begin < tests.size(); begin = end) {
    const auto same = [&](const ContenderTest& t) {
      return t.family == tests[begin].family && t.first == tests[begin].first &&
             t.second == tests[begin].second;
    };
    while (end < tests.size() && same(tests[end])) ++end;
    std::vector<std::string> better, worse, open;
    for (const auto& t : tests.subspan(begin, end - begin)) {
      const bool good = (t.difference > 0) == family(t.family).more_is_better;
      (!(t.holm_p < 0.05) ? open : good ? better : worse).push_back(t.ratio + " %");
    }
    std::string words = fmt::format("{}: {} against {} is ", tests[begin].family,
                                    tests[begin].second, tests[begin].first);
    bool first = true;
    for (const auto& [what, ratios] :
         {std::pair("better at ", &better), {"worse at ", &worse}, {"not told apart at ", &open}})
      if (!ratios->empty())
        words += fmt::format("{}{}{}", std::exchange(first, false) ? "" : "; ", what,
                             fmt::join(*ratios, ", "));
    sentences.push_back(words + ".");
  }
  return sentences;
}

/// Writes `compare.csv`, a figure per metric and `index.html` (opens offline) into a folder.
/// @return  the sentences of comparison_words.
inline std::vector<std::string> write_comparison(
    std::span<const std::pair<Contender, Contender>> pairs, const std::string& profile,
    const std::filesystem::path& folder) {
  const auto tests = compare_contenders(pairs, profile);
  const auto words = comparison_words(tests);
  std::vector<Contender> all;
  for (const auto& [a, b] : pairs)
    for (const auto& c : {a, b})
      if (std::ranges::find(all, c.label, &Contender::label) == all.end()) all.push_back(c);

  std::string html = fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Two studies compared"
      "</title><style>{}</style></head><body><header><h1>Two studies compared</h1><p "
      "class=\"soft\">"
      "Differences are second less first, with Welch's 95 % intervals; p-values are Welch's too, "
      "Holm-adjusted within each pair and metric; Hedges' g has its bootstrap interval. Profile "
      "{}.</p></header><main>",
      detail::kPageStyle, escape_xml(profile));
  html += "<section><h2>In words</h2><ul>";
  for (const auto& sentence : words) html += "<li>" + escape_xml(sentence) + "</li>";
  html += "</ul></section>";
  for (const auto& f : kFamilies) {
    Figure figure{std::string(f.name),
                  "Pruning ratio [%]",
                  fmt::format("{}{}", f.name, f.unit.empty() ? "" : " [ms]"),
                  {}};
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (!all[i].study->has(f.metric)) continue;
      Series series{all[i].label, series_style(i), {}, {}, {}};
      for (const auto& ratio : all[i].study->ratios()) {
        const auto d =
            describe(all[i].study->values(all[i].scenario, ratio, profile, metric(f.metric)));
        series.x.push_back(100 * Ratio::parse(ratio).fraction());
        series.mean.push_back(d.mean);
        series.spread.push_back(d.population_sd);
      }
      figure.series.push_back(std::move(series));
    }
    TextTable table{.name = {},
                    .title = {},
                    .header = {"Second against first", "Ratio", "First", "Second", "Difference",
                               "95 % interval", "p (Holm)", "Hedges' g"},
                    .rows = {}};
    for (const auto& t : tests)
      if (t.family == f.name)
        table.rows.push_back(
            {t.second + " against " + t.first, t.ratio + " %",
             fmt::format("{:.{}f}", t.first_mean, f.decimals),
             fmt::format("{:.{}f}", t.second_mean, f.decimals),
             fmt::format("{:+.{}f}", t.difference, f.decimals + 1),
             std::isnan(t.low) ? "–"
                               : fmt::format("{:+.{}f} … {:+.{}f}", t.low, f.decimals + 1, t.high,
                                             f.decimals + 1),
             std::isnan(t.holm_p) ? "undefined" : fmt::format("{:.2g}", t.holm_p),
             !std::isfinite(t.hedges_g) ? "–"
             : std::isnan(t.g_low)
                 ? fmt::format("{:+.2f}", t.hedges_g)
                 : fmt::format("{:+.2f} [{:+.1f}, {:+.1f}]", t.hedges_g, t.g_low, t.g_high)});
    if (table.rows.empty()) continue;
    const auto svg = figure_svg(figure);
    write_file(folder / "figures" / fmt::format("{}.svg", f.metric), svg);
    html += fmt::format("<section><h2>{}</h2>{}{}</section>", f.name, svg, to_html(table));
  }
  write_file(folder / "compare.csv", comparison_csv(tests));
  write_file(folder / "index.html", html + "</main></body></html>\n");
  return words;
}

}  // namespace serpette
