#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "serpette/core/ratio.hpp"
#include "serpette_report/families.hpp"
#include "serpette_report/statistics/power.hpp"
#include "serpette_report/study.hpp"
#include "serpette_report/tests.hpp"

namespace serpette {

/// A sentence of the paper, held against a study.
struct Claim {
  std::string text;     ///< What the paper says.
  std::string verdict;  ///< "supported", "partly supported", "not supported", "contradicted"; of a
                        ///< claimed equality "not refuted", "refuted at some ratios": tests can
                        ///< refute one, but not prove it.
  std::string reason;   ///< Ratio by ratio.
};

namespace detail {

enum class Expect { kFirstMore, kFirstLess, kNoDifference };

struct ClaimRule {
  std::string_view text, family, first, second;
  double low, high;  ///< Percent, both included.
  Expect expect;
};

/// What the paper says in its section IV, as tests.
inline constexpr std::array kClaims{
    ClaimRule{"DeepLIFT scores give a higher mAP than HYDRA's scaled start under unstructured "
              "pruning, 50–85 %",
              "mAP", "unstructured_deeplift", "unstructured_hydra", 50, 85, Expect::kFirstMore},
    ClaimRule{"DeepLIFT scores give a higher mAP than HYDRA's scaled start under structured "
              "pruning, 50–85 %",
              "mAP", "structured_deeplift", "structured_hydra", 50, 85, Expect::kFirstMore},
    ClaimRule{
        "Unstructured pruning keeps a higher mAP than structured pruning with DeepLIFT, 25–90 %",
        "mAP", "unstructured_deeplift", "structured_deeplift", 25, 90, Expect::kFirstMore},
    ClaimRule{"Unstructured pruning keeps a higher mAP than structured pruning with HYDRA, 25–90 %",
              "mAP", "unstructured_hydra", "structured_hydra", 25, 90, Expect::kFirstMore},
    ClaimRule{"The score start makes no clear difference to the inference time under unstructured "
              "pruning",
              "time", "unstructured_deeplift", "unstructured_hydra", 0, 99, Expect::kNoDifference},
    ClaimRule{
        "The score start makes no clear difference to the inference time under structured pruning",
        "time", "structured_deeplift", "structured_hydra", 0, 99, Expect::kNoDifference},
    ClaimRule{"At 50 % DeepLIFT is slightly faster than HYDRA under unstructured pruning", "time",
              "unstructured_deeplift", "unstructured_hydra", 50, 50, Expect::kFirstLess},
    ClaimRule{"At 50 % DeepLIFT is slightly faster than HYDRA under structured pruning", "time",
              "structured_deeplift", "structured_hydra", 50, 50, Expect::kFirstLess},
    ClaimRule{"Structured pruning is faster than unstructured pruning with DeepLIFT from 65 % on",
              "time", "structured_deeplift", "unstructured_deeplift", 65, 99, Expect::kFirstLess},
    ClaimRule{"Structured pruning is faster than unstructured pruning with HYDRA from 65 % on",
              "time", "structured_hydra", "unstructured_hydra", 65, 99, Expect::kFirstLess},
    ClaimRule{"Greyscale images cost mAP, 0–65 %", "mAP", "unstructured_deeplift_greyscale",
              "unstructured_deeplift", 0, 65, Expect::kFirstLess},
    ClaimRule{"At 95 and 99 % colour makes no difference to mAP", "mAP",
              "unstructured_deeplift_greyscale", "unstructured_deeplift", 95, 99,
              Expect::kNoDifference},
    ClaimRule{"Greyscale networks are slightly faster, 0–65 %", "time",
              "unstructured_deeplift_greyscale", "unstructured_deeplift", 0, 65,
              Expect::kFirstLess}};

inline std::string join(const std::vector<std::string>& words) {
  return fmt::format("{}", fmt::join(words, ", "));
}

}  // namespace detail

/// The paper's claims under Welch's test after Holm's correction (5 % per family), as far as the
/// study has the scenarios: a claimed difference must be found at every ratio claimed to be
/// supported, a claimed equality must not be refuted; how large a difference may have escaped is
/// said with it.
inline std::vector<Claim> paper_claims(std::span<const PairTest> tests) {
  std::vector<Claim> claims;
  for (const auto& rule : detail::kClaims) {
    std::vector<std::string> with, against, open;
    double escaped =
        0;  // the largest difference that the intervals of the open ratios leave room for
    for (const auto& t : tests) {
      const bool same = t.comparison.first == rule.first && t.comparison.second == rule.second;
      const bool swapped = t.comparison.first == rule.second && t.comparison.second == rule.first;
      const double percent = 100 * Ratio::parse(t.ratio).fraction();
      if (t.comparison.family != rule.family || (!same && !swapped) || percent < rule.low ||
          percent > rule.high)
        continue;
      const double difference = swapped ? -t.difference : t.difference;
      const auto entry = t.ratio + " %";
      if (!t.significant()) {
        open.push_back(entry);
        escaped = std::fmax(escaped, std::fmax(std::abs(t.low), std::abs(t.high)));
      } else if (rule.expect == detail::Expect::kFirstMore   ? difference > 0
                 : rule.expect == detail::Expect::kFirstLess ? difference < 0
                                                             : false) {
        with.push_back(entry);
      } else {
        against.push_back(entry);
      }
    }
    if (with.empty() && against.empty() && open.empty()) continue;
    Claim claim{.text = std::string(rule.text), .verdict = {}, .reason = {}};
    const auto say = [&](std::string_view what, const std::vector<std::string>& ratios) {
      if (!ratios.empty())
        claim.reason +=
            fmt::format("{}{} at {}", claim.reason.empty() ? "" : "; ", what, detail::join(ratios));
    };
    if (rule.expect == detail::Expect::kNoDifference) {
      claim.verdict = against.empty() ? "not refuted"
                      : open.empty()  ? "contradicted"
                                      : "refuted at some ratios";
      say("a difference is found", against);
      say("none is found", open);
      if (escaped > 0 && !open.empty())
        claim.reason += fmt::format(" (there it may be up to {:.2g}{}: 95 % intervals)", escaped,
                                    rule.family == "time" ? " ms" : "");
    } else {
      claim.verdict = !with.empty() && against.empty() && open.empty() ? "supported"
                      : !with.empty()                                  ? "partly supported"
                      : !against.empty()                               ? "contradicted"
                                                                       : "not supported";
      say("found", with);
      say("the opposite is found", against);
      say("not found", open);
    }
    claims.push_back(std::move(claim));
  }
  return claims;
}

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
  std::size_t tested = 0, unequal = 0, crooked = 0, shapes = 0, controls = 0;
  for (const auto& t : tests) {
    ++tested;
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
        fmt::format("Power: with {} runs per group one-way ANOVA at 5 % finds a difference of "
                    "{:.2f} standard deviations with 80 % "
                    "chance; a difference of one standard deviation is found with {:.0f} % chance. "
                    "\"Not found\" is no proof of equality.",
                    n, detectable_difference(n), 100 * anova_power(0.5, 2, n)));
  }
  if (tested > 0)
    remarks.push_back(
        fmt::format("Assumptions: variances differ (Brown-Forsythe, p < 0.05) in {} of {} "
                    "comparisons, normality is doubtful "
                    "(Shapiro-Wilk, p < 0.05 in either group) in {} of {}; verdicts therefore rest "
                    "on Welch's test, and one-way ANOVA is "
                    "given as the paper has it.",
                    unequal, tested, crooked, shapes));
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
                    f.name, 100 * lines[1].sum_of_squares / total,
                    100 * lines[0].sum_of_squares / total, 100 * lines[2].sum_of_squares / total,
                    100 * lines[3].sum_of_squares / total, 100 * lines[4].sum_of_squares / total));
  }
  return remarks;
}

}  // namespace serpette
