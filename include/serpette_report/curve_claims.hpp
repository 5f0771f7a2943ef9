#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "serpette/core/quantile.hpp"
#include "serpette_report/claims.hpp"
#include "serpette_report/families.hpp"
#include "serpette_report/statistics/anova.hpp"
#include "serpette_report/statistics/effect_size.hpp"
#include "serpette_report/statistics/holm.hpp"
#include "serpette_report/study.hpp"

namespace serpette {

namespace detail {

/// One scenario's values of one metric: [ratio][run], NaN where a cell is missing.
using Curve = std::vector<std::vector<double>>;

inline Curve curve_of(const Study& study, const std::string& scenario, const std::string& profile,
                      const Metric& m) {
  Curve curve;
  for (const auto& ratio : study.ratios()) {
    auto& values = curve.emplace_back();
    for (const auto run : study.runs()) {
      const auto* cell = study.find(scenario, ratio, profile, run);
      values.push_back(cell == nullptr ? NAN : study.value(*cell, m));
    }
  }
  return curve;
}

/// Mean over the drawn runs, per ratio.
inline std::vector<double> curve_means(const Curve& curve, std::span<const std::uint32_t> runs) {
  std::vector<double> means, drawn;
  for (const auto& values : curve) {
    drawn.clear();
    for (const auto run : runs)
      if (!std::isnan(values[run])) drawn.push_back(values[run]);
    means.push_back(mean(drawn));
  }
  return means;
}

inline std::vector<double> percents(const Study& study) {
  std::vector<double> list;
  for (const auto& ratio : study.ratios()) list.push_back(percent(ratio));
  return list;
}

/// Slopes of a falling curve: loss per percent between neighbouring ratios.
struct CurveShape {
  std::size_t steepest = 0;                ///< Between this ratio and the next.
  double first = 0, middle = 0, last = 0;  ///< `middle` at the steepest.
  double steepest_fall = 0, fall = 0;      ///< Of that step, and of the whole curve.

  /// Steepest inside, both ends less than half as steep; and a fall that is more than one step's,
  /// so that noise on a flat curve is none.
  [[nodiscard]] bool is_s(std::size_t ratios) const {
    return steepest > 0 && steepest + 2 < ratios && first < middle / 2 && last < middle / 2 &&
           fall > steepest_fall;
  }
};

inline CurveShape curve_shape(std::span<const double> means, std::span<const double> percent) {
  CurveShape shape;
  shape.middle = -INFINITY;
  shape.fall = means.front() - means.back();
  for (std::size_t i = 0; i + 1 < means.size(); ++i) {
    const double slope = (means[i] - means[i + 1]) / (percent[i + 1] - percent[i]);
    if (i == 0) shape.first = slope;
    shape.last = slope;
    if (slope > shape.middle)
      shape.middle = slope, shape.steepest = i, shape.steepest_fall = means[i] - means[i + 1];
  }
  return shape;
}

/// Draws of whole runs: a run shares its pre-training over all ratios, so it is drawn as one.
inline std::vector<std::vector<std::uint32_t>> run_draws(const Study& study) {
  return Resamples::draw(study.runs().size(), 1, 2000, 20240601).first;
}

inline std::pair<double, double> middle_95(std::vector<double> values) {
  std::erase_if(values, [](double v) { return std::isnan(v); });
  if (values.empty()) return {NAN, NAN};
  std::ranges::sort(values);
  return {quantile(values, 0.025), quantile(values, 0.975)};
}

/// The S shape of total time, scenario by scenario, with the share of run resamples that have it.
inline void claim_s_shape(const Study& study, const std::string& profile,
                          std::vector<Claim>& claims) {
  if (!study.has("ms_total") || study.ratios().size() < 4 || study.runs().size() < 2) return;
  const auto percent = percents(study);
  const auto draws = run_draws(study);
  std::size_t yes = 0, no = 0;
  std::string reason;
  for (const auto& scenario : study.scenarios()) {
    const auto curve = curve_of(study, scenario, profile, metric("ms_total"));
    std::vector<std::uint32_t> all(study.runs().size());
    std::iota(all.begin(), all.end(), 0U);
    const auto shape = curve_shape(curve_means(curve, all), percent);
    std::size_t shaped = 0;
    for (const auto& draw : draws)
      shaped += curve_shape(curve_means(curve, draw), percent).is_s(percent.size()) ? 1 : 0;
    const double share = static_cast<double>(shaped) / static_cast<double>(draws.size());
    yes += share >= 0.95 ? 1 : 0, no += share <= 0.05 ? 1 : 0;
    reason += fmt::format(
        "{}{} in {:.0f} % of resamples (steepest {}–{} %: {:.2g} ms per percent; {:.2g} at the "
        "start, {:.2g} at the end)",
        reason.empty() ? "" : "; ", scenario_label(scenario), 100 * share,
        study.ratios()[shape.steepest], study.ratios()[shape.steepest + 1], shape.middle,
        shape.first, shape.last);
  }
  claims.push_back(
      {"The curve of inference time over the ratio has an \"S\" shape (both ends less than half as "
       "steep as the middle)",
       "", study.label(metric("ms_total")),
       yes == study.scenarios().size() ? "supported"
       : yes > 0                       ? "partly supported"
       : no > 0                        ? "contradicted"
                                       : "not supported",
       std::move(reason)});
}

/// mAP falls from each ratio to the next: Welch's test per step, Holm over all steps of all
/// scenarios.
inline void claim_fall(const Study& study, const std::string& profile, const Metric& m,
                       std::vector<Claim>& claims) {
  if (!study.has(m.id) || study.ratios().size() < 2 || study.runs().size() < 2) return;
  std::vector<double> p, fall;
  std::vector<std::pair<std::string, std::string>> names;  // scenario, step
  for (const auto& scenario : study.scenarios())
    for (std::size_t i = 0; i + 1 < study.ratios().size(); ++i) {
      const auto x = study.values(scenario, study.ratios()[i], profile, m);
      const auto y = study.values(scenario, study.ratios()[i + 1], profile, m);
      if (x.size() < 2 || y.size() < 2) continue;
      p.push_back(welch_anova({x, y}).p);
      fall.push_back(mean(x) - mean(y));
      names.emplace_back(scenario_label(scenario),
                         fmt::format("{}–{}", study.ratios()[i], study.ratios()[i + 1]));
    }
  if (p.empty()) return;
  const auto adjusted = holm(p);
  std::size_t found = 0;
  std::string rises, open, in_rises, in_open;  // the last two: which scenario each list is in
  const auto note = [&](std::string& list, std::string& in, std::size_t i) {
    const auto& [scenario, step] = names[i];
    list += (list.empty()     ? ""
             : in == scenario ? ", "
                              : "; ") +
            (in == scenario ? "" : scenario + " ") + step;
    in = scenario;
  };
  for (std::size_t i = 0; i < p.size(); ++i) {
    if (!(adjusted[i] < 0.05))
      note(open, in_open, i);
    else if (fall[i] > 0)
      ++found;
    else
      note(rises, in_rises, i);
  }
  auto reason = fmt::format("found at {} of {} steps", found, p.size());
  if (!rises.empty()) reason += fmt::format("; a rise at {} %", rises);
  if (!open.empty()) reason += fmt::format("; not found at {} %", open);
  claims.push_back({"mAP decreases as the pruning ratio increases, from each ratio to the next", "",
                    study.label(m),
                    found == p.size() ? "supported"
                    : found > 0       ? "partly supported"
                    : rises.empty()   ? "not supported"
                                      : "contradicted",
                    std::move(reason)});
}

/// "From 65 % on structured networks need about half the time": 0.4 to 0.6, with intervals.
inline void claim_half_time(const Study& study, const std::string& profile,
                            std::vector<Claim>& claims) {
  if (!study.has("ms_total") || study.runs().size() < 2) return;
  const auto percent = percents(study);
  const auto draws = run_draws(study);
  for (const auto& [score, reading] : {std::pair("deeplift", Reading::kFilters),
                                       {"deeplift", Reading::kKernels},
                                       {"hydra", Reading::kFilters},
                                       {"hydra", Reading::kKernels}}) {
    const auto structured = under(reading, fmt::format("structured_{}", score));
    const auto unstructured = fmt::format("unstructured_{}", score);
    if (!study.knows(structured) || !study.knows(unstructured)) continue;
    const auto x = curve_of(study, structured, profile, metric("ms_total")),
               y = curve_of(study, unstructured, profile, metric("ms_total"));
    std::size_t about = 0, outside = 0, all = 0;
    std::string reason;
    for (std::size_t i = 0; i < percent.size(); ++i) {
      if (percent[i] < 65 || std::ranges::any_of(y[i], [](double time) { return time <= 0; }))
        continue;  // of no time nothing is half
      std::vector<double> parts;
      for (const auto& draw : draws)
        parts.push_back(curve_means({x[i]}, draw)[0] / curve_means({y[i]}, draw)[0]);
      const auto [low, high] = middle_95(std::move(parts));
      const double part =
          mean(study.values(structured, study.ratios()[i], profile, metric("ms_total"))) /
          mean(study.values(unstructured, study.ratios()[i], profile, metric("ms_total")));
      ++all, about += low >= 0.4 && high <= 0.6 ? 1 : 0;
      outside += high < 0.4 || low > 0.6 ? 1 : 0;
      reason += fmt::format("{}{:.2f} [{:.2f}, {:.2f}] at {} %",
                            reason.empty() ? "of the time they need " : ", ", part, low, high,
                            study.ratios()[i]);
    }
    if (all == 0) continue;
    claims.push_back({fmt::format("From 65 % on structured networks need about half the time of "
                                  "unstructured ones with {} (0.4 to 0.6 of it)",
                                  score[0] == 'd' ? "DeepLIFT" : "HYDRA"),
                      reading == Reading::kFilters ? "filters" : "kernels",
                      study.label(metric("ms_total")),
                      about == all     ? "supported"
                      : about > 0      ? "partly supported"
                      : outside == all ? "contradicted"
                                       : "not supported",
                      std::move(reason)});
  }
}

/// A gap between two scenarios that differs between two ranges of ratios.
struct GapRule {
  std::string_view text, family, more, less;  ///< The gap is mean(more) − mean(less).
  double wide_low, wide_high, narrow_low,
      narrow_high;  ///< Percent: where it should be wide, and narrow.
};

inline constexpr std::array kGaps{
    GapRule{"The gap in inference time between unstructured and structured pruning grows with the "
            "ratio (DeepLIFT: 65–99 % against 0–50 %)",
            "time", "unstructured_deeplift", "structured_deeplift", 65, 99, 0, 50},
    GapRule{"The gap in inference time between unstructured and structured pruning grows with the "
            "ratio (HYDRA: 65–99 % against 0–50 %)",
            "time", "unstructured_hydra", "structured_hydra", 65, 99, 0, 50},
    GapRule{"What greyscale costs in mAP is largest at 0–65 % and closes towards 95–99 %", "mAP",
            "unstructured_deeplift", "unstructured_deeplift_greyscale", 0, 65, 95, 99}};

/// The rule for one metric and two scenarios; nothing if the study lacks either range of ratios.
inline std::optional<Claim> judged_gap(const Study& study, const std::string& profile,
                                       const GapRule& rule, const Metric& m,
                                       const std::string& more, const std::string& less) {
  const auto percent = percents(study);
  const auto x = curve_of(study, more, profile, m), y = curve_of(study, less, profile, m);
  const auto gaps = [&](std::span<const std::uint32_t> runs) {
    const auto first = curve_means(x, runs), second = curve_means(y, runs);
    std::array<double, 2> sum{}, count{};
    for (std::size_t i = 0; i < percent.size(); ++i)
      for (const auto& [k, low, high] :
           {std::tuple(0, rule.wide_low, rule.wide_high), {1, rule.narrow_low, rule.narrow_high}})
        if (percent[i] >= low && percent[i] <= high)
          sum[std::size_t(k)] += first[i] - second[i], ++count[std::size_t(k)];
    return std::array{sum[0] / count[0], sum[1] / count[1]};
  };
  std::vector<std::uint32_t> all(study.runs().size());
  std::iota(all.begin(), all.end(), 0U);
  const auto measured = gaps(all);
  if (std::isnan(measured[0]) || std::isnan(measured[1])) return std::nullopt;
  std::vector<double> differences;
  for (const auto& draw : run_draws(study)) {
    const auto g = gaps(draw);
    differences.push_back(g[0] - g[1]);
  }
  const auto [low, high] = middle_95(std::move(differences));
  return Claim{std::string(rule.text), "", study.label(m),
               low > 0    ? "supported"
               : high < 0 ? "contradicted"
                          : "not supported",
               fmt::format("mean gap {:.3g} and {:.3g}{}{}; wider by [{:.3g}, {:.3g}] (95 %)",
                           measured[0], measured[1], m.unit.empty() ? "" : " ", m.unit, low, high)};
}

inline void claim_gaps(const Study& study, const std::string& profile, std::vector<Claim>& claims) {
  if (study.runs().size() < 2) return;
  for (const auto& rule : kGaps)
    for (const auto& [reading, word] : readings_of(rule.more, rule.less))
      for (const auto& f : families(study)) {
        if (f.name != rule.family && !(rule.family == "mAP" && f.name == "clean mAP")) continue;
        const auto more = under(reading, rule.more), less = under(reading, rule.less);
        if (!study.knows(more) || !study.knows(less)) continue;
        if (auto claim = judged_gap(study, profile, rule, metric(f.metric), more, less)) {
          claim->reading = word;
          claims.push_back(*std::move(claim));
        }
      }
}

}  // namespace detail

/// The paper's claims about whole curves, by means over runs and 2,000 bootstrap resamples of whole
/// runs: mAP falls, time has an S shape, structured networks need half the time, gaps open and
/// close. Claims whose scenarios or metric the study lacks are left out.
inline std::vector<Claim> curve_claims(const Study& study, const std::string& profile) {
  std::vector<Claim> claims;
  for (const auto* const id : {"robust_AP50", "AP50"})
    detail::claim_fall(study, profile, metric(id), claims);
  detail::claim_s_shape(study, profile, claims);
  detail::claim_half_time(study, profile, claims);
  detail::claim_gaps(study, profile, claims);
  return claims;
}

}  // namespace serpette
