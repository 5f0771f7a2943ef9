#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "serpette/io/csv.hpp"
#include "serpette/report/families.hpp"
#include "serpette/report/study.hpp"
#include "serpette/statistics/anova.hpp"
#include "serpette/statistics/assumptions.hpp"
#include "serpette/statistics/blocked_anova.hpp"
#include "serpette/statistics/effect_size.hpp"
#include "serpette/statistics/holm.hpp"
#include "serpette/statistics/kruskal_wallis.hpp"
#include "serpette/statistics/pairwise.hpp"

namespace serpette {

/// Two scenarios at one ratio under every test; NaN where a test is undefined (no variance, too few
/// runs).
struct PairTest {
  Comparison comparison;
  std::string ratio;
  double difference = NAN;              ///< Mean of the first less mean of the second.
  double anova_f = NAN, anova_p = NAN;  ///< The paper's test.
  double anova_holm = NAN;  ///< Adjusted within the family: one table, all its rows and ratios.
  double welch_p = NAN, welch_holm = NAN;  ///< Without equal variances.
  double kruskal_p = NAN;                  ///< Without any shape.
  double eta_squared = NAN;
  double hedges_g = NAN, g_low = NAN, g_high = NAN;  ///< With its bootstrap interval of 95 %.
  double levene_p = NAN;   ///< Brown-Forsythe: small says the variances differ.
  double shapiro_p = NAN;  ///< The smaller of both groups: small says not normal.

  /// Found by Welch's test after Holm's adjustment at 5 %, which needs fewer assumptions than the
  /// paper's.
  [[nodiscard]] bool significant() const { return welch_holm < 0.05; }
};

/// All comparisons of a study at all ratios.
/// @param profile    which profile's cells.
/// @param resamples  of the bootstrap.
inline std::vector<PairTest> pair_tests(const Study& study, const std::string& profile,
                                        std::size_t resamples = 2000) {
  std::vector<PairTest> tests;
  for (const auto& c : comparisons(study)) {
    const auto& m = metric(family(c.family).metric);
    for (const auto& ratio : study.ratios()) {
      const auto x = study.values(c.first, ratio, profile, m),
                 y = study.values(c.second, ratio, profile, m);
      PairTest t{.comparison = c, .ratio = ratio};
      if (x.empty() || y.empty()) continue;
      t.difference = mean(x) - mean(y);
      const Groups groups{x, y};
      const auto anova = one_way_anova(groups);
      t.anova_f = anova.statistic, t.anova_p = anova.p, t.eta_squared = anova.eta_squared;
      t.kruskal_p = kruskal_wallis(groups).p;
      t.levene_p = levene(groups).p;
      if (x.size() >= 2 && y.size() >= 2) {
        t.welch_p = welch_anova(groups).p;
        t.hedges_g = hedges_g(x, y);
        std::tie(t.g_low, t.g_high) = bootstrap_interval(
            x, y, hedges_g, Resamples::draw(x.size(), y.size(), resamples, 20240601));
      }
      if (x.size() >= 3 && y.size() >= 3) {
        const double a = shapiro_wilk(x).p, b = shapiro_wilk(y).p;
        t.shapiro_p = std::isnan(a) ? b : std::isnan(b) ? a : std::min(a, b);
      }
      tests.push_back(std::move(t));
    }
  }
  // One family per table; comparisons the paper has no table for form a family per metric.
  std::map<std::pair<std::string, std::string>, std::vector<std::size_t>> by_family;
  for (std::size_t i = 0; i < tests.size(); ++i)
    by_family[{tests[i].comparison.table, tests[i].comparison.family}].push_back(i);
  for (const auto& [key, members] : by_family) {
    std::vector<double> anova, welch;
    for (const auto i : members)
      anova.push_back(tests[i].anova_p), welch.push_back(tests[i].welch_p);
    anova = holm(anova), welch = holm(welch);
    for (std::size_t k = 0; k < members.size(); ++k)
      tests[members[k]].anova_holm = anova[k], tests[members[k]].welch_holm = welch[k];
  }
  return tests;
}

/// tests.csv.
inline std::string tests_csv(std::span<const PairTest> tests) {
  CsvWriter csv;
  csv.row("table", "metric", "comparison", "ratio_percent", "difference", "anova_f", "anova_p",
          "anova_p_holm", "welch_p", "welch_p_holm", "kruskal_p", "eta_squared", "hedges_g",
          "hedges_g_low", "hedges_g_high", "brown_forsythe_p", "shapiro_p_min");
  for (const auto& t : tests)
    csv.row(t.comparison.table, t.comparison.family, t.comparison.label, t.ratio, t.difference,
            t.anova_f, t.anova_p, t.anova_holm, t.welch_p, t.welch_holm, t.kruskal_p, t.eta_squared,
            t.hedges_g, t.g_low, t.g_high, t.levene_p, t.shapiro_p);
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
      for (std::size_t i = 0; i < tukey.size(); ++i)
        csv.row(f.name, ratio, names[tukey[i].first], names[tukey[i].second], tukey[i].difference,
                tukey[i].low, tukey[i].high, tukey[i].p, games[i].low, games[i].high, games[i].p);
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
