#pragma once

#include <range/v3/view/zip.hpp>

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "serpette/io/csv.hpp"
#include "serpette_report/families.hpp"
#include "serpette_report/statistics/anova.hpp"
#include "serpette_report/statistics/blocked_anova.hpp"
#include "serpette_report/statistics/holm.hpp"
#include "serpette_report/statistics/kruskal_wallis.hpp"
#include "serpette_report/statistics/pairwise.hpp"
#include "serpette_report/study.hpp"
#include "serpette_report/tests.hpp"

/// @file
/// What the tests found as CSV, in full precision.

namespace serpette {

/// tests.csv.
inline std::string tests_csv(std::span<const PairTest> tests) {
  CsvWriter csv;
  csv.row("table", "metric", "comparison", "ratio_percent", "first_runs", "second_runs",
          "difference", "difference_low", "difference_high", "detectable_difference", "anova_f",
          "anova_p", "anova_p_holm", "welch_p", "welch_p_holm", "kruskal_p", "kruskal_p_holm",
          "eta_squared", "eta_squared_low", "eta_squared_high", "hedges_g", "hedges_g_low",
          "hedges_g_high", "brown_forsythe_p", "shapiro_p_min");
  for (const auto& t : tests)
    csv.row(t.comparison.table, t.comparison.family, t.comparison.label, t.ratio, t.first_runs,
            t.second_runs, t.difference, t.low, t.high, t.detectable, t.anova_f, t.anova_p,
            t.anova_holm, t.welch_p, t.welch_holm, t.kruskal_p, t.kruskal_holm, t.eta_squared,
            t.eta_low, t.eta_high, t.hedges_g, t.g_low, t.g_high, t.levene.p, t.shapiro_p());
  return std::string(csv.text());
}

/// assumptions.csv: what one-way ANOVA takes for granted, checked for every comparison.
inline std::string assumptions_csv(std::span<const PairTest> tests) {
  CsvWriter csv;
  csv.row("table", "metric", "comparison", "ratio_percent", "first_runs", "second_runs",
          "first_variance", "second_variance", "brown_forsythe_f", "brown_forsythe_p",
          "first_shapiro_w", "first_shapiro_p", "second_shapiro_w", "second_shapiro_p", "verdict");
  for (const auto& t : tests)
    csv.row(t.comparison.table, t.comparison.family, t.comparison.label, t.ratio, t.first_runs,
            t.second_runs, t.first_variance, t.second_variance, t.levene.statistic, t.levene.p,
            t.first_shapiro.statistic, t.first_shapiro.p, t.second_shapiro.statistic,
            t.second_shapiro.p, t.assumptions());
  return std::string(csv.text());
}

/// anova.csv in the columns of the paper's data: its tables' p-values, full precision.
inline std::string anova_csv(std::span<const PairTest> tests) {
  CsvWriter csv;
  csv.row("table", "metric", "comparison", "ratio_percent", "p_value");
  for (const auto& t : tests)
    csv.row(t.comparison.table, t.comparison.family, t.comparison.label, t.ratio, t.anova_p);
  return std::string(csv.text());
}

/// omnibus.csv: at each ratio all scenarios at once: is any of them different? Holm over the ratios
/// of a metric. Empty for fewer than three scenarios.
inline std::string omnibus_csv(const Study& study, const std::string& profile) {
  CsvWriter csv;
  csv.row("metric", "ratio_percent", "scenarios", "anova_f", "anova_p", "anova_p_holm", "welch_p",
          "welch_p_holm", "kruskal_p", "kruskal_p_holm", "eta_squared");
  for (const auto& f : families(study)) {
    std::vector<std::string> ratios;
    std::vector<std::size_t> sizes;
    std::vector<Anova> anova;
    std::vector<double> anova_p, welch_p, kruskal_p;
    for (const auto& ratio : study.ratios()) {
      Groups groups;
      for (const auto& scenario : study.scenarios())
        if (auto values = study.values(scenario, ratio, profile, metric(f.metric));
            values.size() >= 2)
          groups.push_back(std::move(values));
      if (groups.size() < 3) continue;
      ratios.push_back(ratio), sizes.push_back(groups.size());
      anova_p.push_back(anova.emplace_back(one_way_anova(groups)).p);
      welch_p.push_back(welch_anova(groups).p), kruskal_p.push_back(kruskal_wallis(groups).p);
    }
    const auto a = holm(anova_p), w = holm(welch_p), k = holm(kruskal_p);
    for (std::size_t i = 0; i < ratios.size(); ++i)
      csv.row(f.name, ratios[i], sizes[i], anova[i].statistic, anova_p[i], a[i], welch_p[i], w[i],
              kruskal_p[i], k[i], anova[i].eta_squared);
  }
  return std::string(csv.text());
}

/// pairs.csv: at each ratio all scenarios at once, every pair by Tukey-Kramer and Games-Howell.
/// Empty for fewer than three scenarios.
inline std::string pairs_csv(const Study& study, const std::string& profile) {
  CsvWriter csv;
  csv.row("metric", "ratio_percent", "first", "second", "difference", "tukey_low", "tukey_high",
          "tukey_p", "games_howell_low", "games_howell_high", "games_howell_p");
  for (const auto& f : families(study))
    for (const auto& ratio : study.ratios()) {
      Groups groups;
      std::vector<std::string> names;
      for (const auto& scenario : study.scenarios()) {
        auto values = study.values(scenario, ratio, profile, metric(f.metric));
        if (values.size() < 2) continue;
        groups.push_back(std::move(values));
        names.push_back(scenario_label(scenario));
      }
      if (groups.size() < 3) continue;
      const auto tukey = tukey_kramer(groups), games = games_howell(groups);
      for (auto&& [t, g] : ranges::views::zip(tukey, games))
        csv.row(f.name, ratio, names[t.first], names[t.second], t.difference, t.low, t.high, t.p,
                g.low, g.high, g.p);
    }
  return std::string(csv.text());
}

/// The two-way blocked analysis of one family; empty if the study is not balanced or too small.
inline std::vector<AnovaLine> study_blocks(const Study& study, const std::string& profile,
                                           const Family& f) {
  if (study.scenarios().size() < 2 || study.ratios().size() < 2 || study.runs().size() < 2 ||
      !study.missing().empty())
    return {};
  std::vector<std::vector<std::vector<double>>> y;
  for (const auto& scenario : study.scenarios()) {
    y.emplace_back();
    for (const auto& ratio : study.ratios())
      y.back().push_back(study.values(scenario, ratio, profile, metric(f.metric)));
  }
  return blocked_anova(y);
}

/// blocked.csv.
inline std::string blocked_csv(const Study& study, const std::string& profile) {
  CsvWriter csv;
  csv.row("metric", "source", "sum_of_squares", "df", "f", "p", "partial_eta_squared");
  for (const auto& f : families(study))
    for (const auto& line : study_blocks(study, profile, f))
      csv.row(f.name, line.source, line.sum_of_squares, line.df, line.f, line.p,
              line.partial_eta_squared);
  return std::string(csv.text());
}

}  // namespace serpette
