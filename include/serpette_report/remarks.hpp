#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "serpette_report/claims.hpp"
#include "serpette_report/families.hpp"
#include "serpette_report/statistics/power.hpp"
#include "serpette_report/study.hpp"
#include "serpette_report/test_tables.hpp"
#include "serpette_report/tests.hpp"

namespace serpette {

/// What a reader should know about the study itself, one sentence each: the 0 % control, power,
/// assumptions, where the time falls, and which part of the variation is whose.
inline std::vector<std::string> study_remarks(const Study& study, const std::string& profile,
                                              std::span<const PairTest> tests) {
  std::vector<std::string> remarks;
  std::vector<std::string> drift;
  const auto row = [&](const std::string& scenario) {
    return std::ranges::find(study.cells(), scenario, &CellRow::scenario);
  };
  // In another colour or under another attack the networks differ before anything is pruned.
  const auto trained_apart = [&](const auto& comparison) {
    const auto a = row(comparison.first), b = row(comparison.second);
    return a->color != b->color || a->attack != b->attack;
  };
  std::size_t spreads = 0, unequal = 0, crooked = 0, shapes = 0, controls = 0;
  for (const auto& t : tests) {
    spreads += t.levene.defined() ? 1 : 0;
    unequal += t.levene.p < 0.05 ? 1 : 0;
    shapes += std::isnan(t.shapiro_p()) ? 0 : 1;
    crooked += t.shapiro_p() < 0.05 ? 1 : 0;
    if (t.ratio != "0" || trained_apart(t.comparison)) continue;
    ++controls;
    if (t.significant() || t.anova_holm < 0.05)
      drift.push_back(fmt::format(
          "{} ({}, Holm-adjusted p {:.2g})", t.comparison.label, t.comparison.family,
          std::isnan(t.welch_holm) ? t.anova_holm : std::min(t.welch_holm, t.anova_holm)));
  }
  if (controls > 0)
    remarks.push_back(
        drift.empty()
            ? fmt::format(
                  "Control at 0 %: nothing is pruned there, and none of the {} comparisons finds a "
                  "difference.",
                  controls)
            : fmt::format("Control at 0 %: nothing is pruned there, yet {} of {} comparisons find "
                          "a difference: "
                          "{}. That is drift between runs or machines, or the training before "
                          "pruning, and no "
                          "effect of pruning; differences of its size at other ratios deserve the "
                          "same doubt.",
                          drift.size(), controls, detail::join(drift)));
  if (study.runs().size() >= 2) {
    const auto n = static_cast<int>(study.runs().size());
    remarks.push_back(
        fmt::format("Power: with {} per group one-way ANOVA at 5 % finds a difference of "
                    "{:.2f} standard deviations with 80 % "
                    "chance; a difference of one standard deviation is found with {:.0f} % chance. "
                    "\"Not found\" is no proof of equality.",
                    counted(study.runs().size(), "run"), detectable_difference(n),
                    100 * anova_power(0.5, 2, n)));
  }
  if (spreads + shapes > 0)
    remarks.push_back(
        fmt::format("Assumptions: variances differ (Brown-Forsythe, p < 0.05) in {} of {} "
                    "comparisons, normality is doubtful "
                    "(Shapiro-Wilk, p < 0.05 in either group) in {} of {}; verdicts therefore rest "
                    "on Welch's test, and one-way ANOVA is "
                    "given as the paper has it.",
                    unequal, spreads, crooked, shapes));
  else if (!tests.empty())
    remarks.emplace_back(
        "Assumptions: too few runs, or too little variation, to look at variances and normality; "
        "verdicts rest on Welch's test, and one-way ANOVA is given as the paper has it.");
  for (const auto& f : families(study)) {
    const auto lines = study_blocks(study, profile, f);
    if (lines.empty()) continue;
    double total = 0;
    for (const auto& line : lines) total += line.sum_of_squares;
    if (total <= 0) continue;
    remarks.push_back(
        fmt::format("Two-way blocked analysis of {}: of the whole variation {:.1f} % goes with the "
                    "ratio, {:.1f} % with the scenario, "
                    "{:.1f} % with scenario × ratio, {:.1f} % with the run; {:.1f} % is left.",
                    study.label(metric(f.metric)), 100 * lines[1].sum_of_squares / total,
                    100 * lines[0].sum_of_squares / total, 100 * lines[2].sum_of_squares / total,
                    100 * lines[3].sum_of_squares / total, 100 * lines[4].sum_of_squares / total));
  }
  return remarks;
}

}  // namespace serpette
