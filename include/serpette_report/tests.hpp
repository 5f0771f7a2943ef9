#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "serpette/io/csv.hpp"
#include "serpette_report/families.hpp"
#include "serpette_report/statistics/anova.hpp"
#include "serpette_report/statistics/assumptions.hpp"
#include "serpette_report/statistics/blocked_anova.hpp"
#include "serpette_report/statistics/effect_size.hpp"
#include "serpette_report/statistics/holm.hpp"
#include "serpette_report/statistics/kruskal_wallis.hpp"
#include "serpette_report/statistics/pairwise.hpp"
#include "serpette_report/statistics/power.hpp"
#include "serpette_report/study.hpp"

namespace serpette {

/// Two scenarios at one ratio under every test; NaN where a test is undefined (no variance, too few
/// runs).
struct PairTest {
  Comparison comparison;
  std::string ratio;
  std::size_t first_runs = 0, second_runs = 0;
  double difference = NAN;       ///< Mean of the first less mean of the second.
  double low = NAN, high = NAN;  ///< Welch's 95 % interval of it.
  double detectable = NAN;  ///< The difference that ANOVA finds with 80 % chance, given the spread.
  double anova_f = NAN, anova_p = NAN;  ///< The paper's test.
  double anova_holm = NAN;  ///< Adjusted within the family: one table, all its rows and ratios.
  double welch_p = NAN, welch_holm = NAN;      ///< Without equal variances.
  double kruskal_p = NAN, kruskal_holm = NAN;  ///< Without any shape.
  double eta_squared = NAN, eta_low = NAN,
         eta_high = NAN;                             ///< With its bootstrap interval of 95 %.
  double hedges_g = NAN, g_low = NAN, g_high = NAN;  ///< With its bootstrap interval of 95 %.
  double first_variance = NAN, second_variance = NAN;
  TestResult levene = {};  ///< Brown-Forsythe: a small p says the variances differ.
  TestResult first_shapiro = {}, second_shapiro = {};  ///< A small p says not normal.

  /// The smaller p of both groups.
  [[nodiscard]] double shapiro_p() const { return std::fmin(first_shapiro.p, second_shapiro.p); }

  /// Found by Welch's test after Holm's adjustment at 5 %, which needs fewer assumptions than the
  /// paper's.
  [[nodiscard]] bool significant() const { return welch_holm < 0.05; }

  /// What one-way ANOVA assumes, in a word or two, at 5 %.
  [[nodiscard]] std::string_view assumptions() const {
    if (first_variance == 0 || second_variance == 0) return "a group does not vary";
    if (std::isnan(levene.p) || std::isnan(shapiro_p())) return "too few runs to tell";
    const bool unequal = levene.p < 0.05, crooked = shapiro_p() < 0.05;
    return unequal && crooked ? "variances differ, not normal"
           : unequal          ? "variances differ"
           : crooked          ? "not normal"
                              : "nothing against them";
  }
};

/// All comparisons of a study at all ratios.
/// @param profile    which profile's cells.
/// @param resamples  of the bootstrap.
inline std::vector<PairTest> pair_tests(const Study& study, const std::string& profile,
                                        std::size_t resamples = 2000) {
  std::vector<PairTest> tests;
  std::map<int, double> detectable;  // by runs per group
  for (const auto& c : comparisons(study)) {
    const auto& m = metric(family(c.family).metric);
    for (const auto& ratio : study.ratios()) {
      const auto x = study.values(c.first, ratio, profile, m),
                 y = study.values(c.second, ratio, profile, m);
      PairTest t{.comparison = c, .ratio = ratio};
      if (x.empty() || y.empty()) continue;
      t.first_runs = x.size(), t.second_runs = y.size();
      t.difference = mean(x) - mean(y);
      const Groups groups{x, y};
      const auto anova = one_way_anova(groups);
      t.anova_f = anova.statistic, t.anova_p = anova.p, t.eta_squared = anova.eta_squared;
      t.kruskal_p = kruskal_wallis(groups).p;
      t.levene = levene(groups);
      if (x.size() >= 2 && y.size() >= 2) {
        t.first_variance = variance(x), t.second_variance = variance(y);
        t.welch_p = welch_anova(groups).p;
        std::tie(t.low, t.high) = welch_interval(x, y);
        t.hedges_g = hedges_g(x, y);
        const auto draws = Resamples::draw(x.size(), y.size(), resamples, 20240601);
        std::tie(t.g_low, t.g_high) = bootstrap_interval(x, y, hedges_g, draws);
        std::tie(t.eta_low, t.eta_high) = bootstrap_interval(x, y, eta_squared, draws);
        const auto smaller = static_cast<int>(std::min(x.size(), y.size()));
        auto [at, fresh] = detectable.try_emplace(smaller, 0.0);
        if (fresh) at->second = detectable_difference(smaller);
        t.detectable = at->second * std::sqrt((t.first_variance + t.second_variance) / 2);
      }
      if (x.size() >= 3) t.first_shapiro = shapiro_wilk(x);
      if (y.size() >= 3) t.second_shapiro = shapiro_wilk(y);
      tests.push_back(std::move(t));
    }
  }
  // One family per table; comparisons the paper has no table for form a family per metric.
  std::map<std::pair<std::string, std::string>, std::vector<std::size_t>> by_family;
  for (std::size_t i = 0; i < tests.size(); ++i)
    by_family[{tests[i].comparison.table, tests[i].comparison.family}].push_back(i);
  for (const auto& [key, members] : by_family) {
    const auto adjust = [&](double PairTest::*p, double PairTest::*adjusted) {
      std::vector<double> values;
      for (const auto i : members) values.push_back(tests[i].*p);
      values = holm(values);
      for (std::size_t k = 0; k < members.size(); ++k) tests[members[k]].*adjusted = values[k];
    };
    adjust(&PairTest::anova_p, &PairTest::anova_holm);
    adjust(&PairTest::welch_p, &PairTest::welch_holm);
    adjust(&PairTest::kruskal_p, &PairTest::kruskal_holm);
  }
  return tests;
}

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
