#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "serpette_report/families.hpp"
#include "serpette_report/figure.hpp"
#include "serpette_report/markup.hpp"
#include "serpette_report/page_frame.hpp"
#include "serpette_report/page_style.hpp"
#include "serpette_report/palette.hpp"
#include "serpette_report/report_folder.hpp"
#include "serpette_report/statistics/anova.hpp"
#include "serpette_report/statistics/effect_size.hpp"
#include "serpette_report/statistics/holm.hpp"
#include "serpette_report/study.hpp"
#include "serpette_report/study_figures.hpp"
#include "serpette_report/text_table.hpp"

namespace serpette {

/// One scenario of one study, under a name for readers.
struct Contender {
  const Study* study = nullptr;
  std::string scenario;
  std::string label;
  std::string study_name;
  std::size_t side = 0;  ///< 0 of the first study, 1 of the second.
};

/// Two contenders at one ratio: `second` less `first`.
struct ContenderTest {
  std::string family, ratio, first, second;
  std::string
      pair;  ///< What tables call the two: a scenario that both studies have by its name alone.
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
  const auto named = [&](const Study& study, const std::string& scenario, const std::string& name) {
    return Contender{&study, scenario, fmt::format("{} ({})", scenario_label(scenario), name), name,
                     &study == &a ? 0U : 1U};
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
                        first.scenario == second.scenario
                            ? scenario_label(first.scenario)
                            : fmt::format("{} against {}", second.label, first.label),
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

/// Of one pair and metric: where the second is better, worse, or not told apart from the first.
struct Finding {
  std::string family, first, second, pair;
  std::vector<std::string> better, worse, open;  ///< Ratios, as "50 %".
};

inline std::vector<Finding> comparison_findings(std::span<const ContenderTest> tests) {
  std::vector<Finding> findings;
  for (const auto& t : tests) {
    if (findings.empty() || findings.back().family != t.family ||
        findings.back().first != t.first || findings.back().second != t.second)
      findings.push_back({t.family, t.first, t.second, t.pair, {}, {}, {}});
    auto& f = findings.back();
    const bool good = (t.difference > 0) == family(t.family).more_is_better;
    (!(t.holm_p < 0.05) ? f.open : good ? f.better : f.worse).push_back(t.ratio + " %");
  }
  return findings;
}

/// One sentence per finding.
inline std::vector<std::string> comparison_words(std::span<const Finding> findings) {
  std::vector<std::string> sentences;
  for (const auto& f : findings) {
    std::string words =
        fmt::format("{}: {} against {} is ", family(f.family).words, f.second, f.first);
    bool first = true;
    for (const auto& [what, ratios] : {std::pair("better at ", &f.better),
                                       {"worse at ", &f.worse},
                                       {"not told apart at ", &f.open}})
      if (!ratios->empty())
        words += fmt::format("{}{}{}", std::exchange(first, false) ? "" : "; ", what,
                             fmt::join(*ratios, ", "));
    sentences.push_back(words + ".");
  }
  return sentences;
}

namespace detail {

inline TextTable findings_table(std::span<const Finding> findings) {
  TextTable table{.name = "findings",
                  .title = {},
                  .header = {"Second against first", "Measured by", "Better at", "Worse at",
                             "Not told apart at"},
                  .rows = {}};
  const auto list = [](const std::vector<std::string>& ratios, const Finding& f) {
    const auto all = f.better.size() + f.worse.size() + f.open.size();
    return ratios.empty()                              ? std::string("–")
           : ratios.size() == all && ratios.size() > 1 ? fmt::format("all {} ratios", all)
                                                       : fmt::format("{}", fmt::join(ratios, ", "));
  };
  for (const auto& f : findings)
    table.rows.push_back({f.pair, std::string(family(f.family).words), list(f.better, f),
                          list(f.worse, f), list(f.open, f)});
  return table;
}

/// A scenario keeps its hue in both studies; the second study's lines are dashed.
inline Figure comparison_figure(std::span<const Contender> all, const Family& f,
                                const std::string& profile) {
  Figure figure{std::string(f.words),
                "Pruning ratio [%]",
                fmt::format("{}{}", f.words, f.unit.empty() ? "" : " [ms]"),
                {}};
  std::vector<std::string> scenarios;
  for (const auto& c : all)
    if (std::ranges::find(scenarios, c.scenario) == scenarios.end())
      scenarios.push_back(c.scenario);
  const auto styles = scenario_styles(scenarios);
  for (const auto& c : all) {
    if (!c.study->has(f.metric)) continue;
    auto style = styles[static_cast<std::size_t>(std::ranges::find(scenarios, c.scenario) -
                                                 scenarios.begin())];
    style.dash = c.side == 0 ? "" : "7 4";
    Series series{c.label, style, {}, {}, {}};
    for (const auto& ratio : c.study->ratios()) {
      const auto d = describe(c.study->values(c.scenario, ratio, profile, metric(f.metric)));
      series.x.push_back(percent(ratio));
      series.mean.push_back(d.mean);
      series.spread.push_back(d.population_sd);
    }
    figure.series.push_back(std::move(series));
  }
  for (const std::size_t side : {0U, 1U})
    if (const auto one = std::ranges::find(all, side, &Contender::side); one != all.end())
      for (auto level : original_level(*one->study, profile, metric(f.metric))) {
        const auto name = one->label.substr(scenario_label(one->scenario).size());
        level.label += name;
        if (side == 1) level.style.dash = "6 4 1 4";
        figure.levels.push_back(std::move(level));
      }
  return figure;
}

/// The differences of one family, ratio by ratio.
inline TextTable differences_table(std::span<const ContenderTest> tests, const Family& f) {
  TextTable table{.name = fmt::format("differences_{}", f.metric),
                  .title = {},
                  .header = {"Second against first", "Ratio", "First", "Second", "Difference",
                             "95 % interval", "p (Holm)", "Hedges' g"},
                  .rows = {}};
  for (const auto& t : tests)
    if (t.family == f.name)
      table.rows.push_back(
          {t.pair, t.ratio + " %", fmt::format("{:.{}f}", t.first_mean, f.decimals),
           fmt::format("{:.{}f}", t.second_mean, f.decimals),
           fmt::format("{:+.{}f}", t.difference, f.decimals + 1),
           std::isnan(t.low)
               ? "–"
               : fmt::format("{:+.{}f} … {:+.{}f}", t.low, f.decimals + 1, t.high, f.decimals + 1),
           std::isnan(t.holm_p) ? "undefined"
           : t.holm_p < 0.001   ? "< 0.001"
                                : fmt::format("{:.3f}", t.holm_p),
           !std::isfinite(t.hedges_g) ? "–"
           : std::isnan(t.g_low)
               ? fmt::format("{:+.2f}", t.hedges_g)
               : fmt::format("{:+.2f} [{:+.1f}, {:+.1f}]", t.hedges_g, t.g_low, t.g_high)});
  return table;
}

}  // namespace detail

/// Writes `compare.csv`, `findings.csv`, a figure per metric and `index.html` (opens offline) into
/// a folder; what an earlier comparison wrote there and this one does not is removed.
/// @param notes   sentences on what bears on all findings; the page shows them above these.
/// @return        the sentences of comparison_words.
/// @throws Error  if the folder cannot be written, holds a report, or has the file of a study's
/// place where one of these is to go; nothing is written then.
inline std::vector<std::string> write_comparison(
    std::span<const std::pair<Contender, Contender>> pairs, const std::string& profile,
    const std::filesystem::path& folder, std::span<const std::string> notes = {}) {
  ReportFolder out(folder, ReportKind::kComparison);
  const auto tests = compare_contenders(pairs, profile);
  const auto findings = comparison_findings(tests);
  std::vector<Contender> all;
  for (const auto& [a, b] : pairs)
    for (const auto& c : {a, b})
      if (std::ranges::find(all, c.label, &Contender::label) == all.end()) all.push_back(c);

  const auto& [one, other] = pairs.front();
  std::string html = fmt::format(
      "<header><h1>Two studies compared</h1><p class=\"soft\">"
      "The second, <b>{}</b>, against the first, <b>{}</b>; profile {}. Better and worse are what "
      "Welch's test finds, corrected by Holm's method for the number of ratios of a pair (5 %). A "
      "scenario has one colour in both studies; the second study's lines are dashed.</p></header>"
      "<main>",
      escape_xml(other.study_name), escape_xml(one.study_name), escape_xml(profile));
  for (const auto& note : notes) html += fmt::format("<p class=\"note\">{}</p>", escape_xml(note));
  html += "<section><h2>What differs</h2>" + to_html(detail::findings_table(findings), "findings") +
          "</section>";
  for (const auto& f : kFamilies) {
    const auto table = detail::differences_table(tests, f);
    if (table.rows.empty()) continue;
    const auto svg = figure_svg(detail::comparison_figure(all, f, profile));
    out.add(fmt::format("figures/{}.svg", f.metric), svg);
    html += fmt::format(
        "<section><h2>{}</h2><figure>{}</figure><h3>Difference by difference</h3><p "
        "class=\"soft\">Second less first with Welch's 95 % interval; Hedges' g, the difference in "
        "standard deviations, with its bootstrap interval.</p>{}</section>",
        f.words, svg, to_html(table));
  }
  out.add("compare.csv", comparison_csv(tests));
  out.add("findings.csv", to_csv(detail::findings_table(findings)));
  out.add("index.html",
          detail::framed_page("Two studies compared", html + "</main>", detail::kScrollScript));
  out.write(std::array<std::filesystem::path, 2>{one.study->place(), other.study->place()});
  (void)out.finish();
  return comparison_words(findings);
}

}  // namespace serpette
