#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "serpette/io/csv.hpp"
#include "serpette_report/statistics/describe.hpp"
#include "serpette_report/study.hpp"

namespace serpette {

/// What pruned networks cost, for trade-offs.
inline constexpr std::array<std::string_view, 4> kCosts{"ms_network", "ms_total", "parameters",
                                                        "macs"};
/// And what they are worth.
inline constexpr std::array<std::string_view, 2> kQualities{"AP50", "robust_AP50"};

/// Means over the runs of one scenario at one ratio.
struct TradeoffPoint {
  std::string scenario, ratio;
  double quality = 0, cost = 0;
  bool on_front = false;  ///< No other point costs at most as much and is at least as good.
};

/// Every scenario × ratio as a point, the Pareto front marked.
inline std::vector<TradeoffPoint> tradeoff(const Study& study, const std::string& profile,
                                           const Metric& quality, const Metric& cost) {
  std::vector<TradeoffPoint> points;
  for (const auto& scenario : study.scenarios())
    for (const auto& ratio : study.ratios())
      if (const auto values = study.values(scenario, ratio, profile, quality); !values.empty())
        points.push_back({scenario, ratio, mean(values),
                          mean(study.values(scenario, ratio, profile, cost)), false});
  for (auto& p : points)
    p.on_front = std::ranges::none_of(points, [&](const TradeoffPoint& q) {
      return q.cost <= p.cost && q.quality >= p.quality &&
             (q.cost < p.cost || q.quality > p.quality);
    });
  return points;
}

/// tradeoff.csv: every quality against every cost, under each profile.
inline std::string tradeoff_csv(const Study& study) {
  CsvWriter csv;
  csv.row("profile", "quality", "cost", "scenario", "ratio_percent", "quality_mean", "cost_mean",
          "pareto_front");
  for (const auto& profile : study.profiles())
    for (const auto quality : kQualities)
      for (const auto cost : kCosts) {
        if (!study.has(quality) || !study.has(cost)) continue;
        for (const auto& p : tradeoff(study, profile, metric(quality), metric(cost)))
          csv.row(profile, quality, cost, scenario_label(p.scenario), p.ratio, p.quality, p.cost,
                  p.on_front ? "yes" : "no");
      }
  return std::string(csv.text());
}

}  // namespace serpette
