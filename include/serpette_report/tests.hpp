#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "serpette_report/families.hpp"
#include "serpette_report/statistics/anova.hpp"
#include "serpette_report/statistics/assumptions.hpp"
#include "serpette_report/statistics/effect_size.hpp"
#include "serpette_report/statistics/holm.hpp"
#include "serpette_report/statistics/kruskal_wallis.hpp"
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
  // One family per table, ours after the paper's too; comparisons without a table form one per
  // metric.
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

}  // namespace serpette
