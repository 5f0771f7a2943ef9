#pragma once

#include <array>
#include <string_view>

#include "serpette/core/contract.hpp"
#include "serpette/study/cells.hpp"

namespace serpette {

/// A number that every cell has, as reports show it.
struct Metric {
  std::string_view id;  ///< Column of cells.csv; `retention_…` is made from one.
  std::string_view label;
  std::string_view unit;  ///< "" for fractions.
  bool more_is_better = true;
  int decimals = 3;
  double (*of)(const CellRow&) = nullptr;
  bool is_retention = false;  ///< `of` ÷ the same run's at 0 %.
};

/// What reports can show, most wanted first: under attack and clean side by side.
inline constexpr std::array kMetrics{
    Metric{"robust_AP50", "AP50 under attack", "", true, 3,
           [](const CellRow& c) { return c.robust_ap50; }},
    Metric{"AP50", "AP50 on clean images", "", true, 3, [](const CellRow& c) { return c.ap50; }},
    Metric{"retention_robust_AP50", "Part kept of the AP50 under attack", "", true, 2,
           [](const CellRow& c) { return c.robust_ap50; }, true},
    Metric{"retention_AP50", "Part kept of the AP50 on clean images", "", true, 2,
           [](const CellRow& c) { return c.ap50; }, true},
    Metric{"robust_AP", "AP (IoU 0.50:0.95) under attack", "", true, 3,
           [](const CellRow& c) { return c.robust_ap; }},
    Metric{"AP", "AP (IoU 0.50:0.95) on clean images", "", true, 3,
           [](const CellRow& c) { return c.ap; }},
    Metric{"AP75", "AP75 on clean images", "", true, 3, [](const CellRow& c) { return c.ap75; }},
    Metric{"ms_network", "Network time", "ms", false, 2,
           [](const CellRow& c) { return c.ms_network; }},
    Metric{"ms_total", "Total time per image", "ms", false, 2,
           [](const CellRow& c) { return c.ms_total; }},
    Metric{"ms_input", "Input time", "ms", false, 2, [](const CellRow& c) { return c.ms_input; }},
    Metric{"ms_post", "Post-processing time", "ms", false, 2,
           [](const CellRow& c) { return c.ms_post; }},
    Metric{"parameters", "Parameters", "", false, 0,
           [](const CellRow& c) { return double(c.parameters); }},
    Metric{"macs", "Multiply-adds", "", false, 0, [](const CellRow& c) { return double(c.macs); }},
    Metric{"weights_kept", "Weights kept", "", false, 0,
           [](const CellRow& c) { return double(c.weights_kept); }},
    Metric{"filters_kept", "Filters kept", "", false, 0,
           [](const CellRow& c) { return double(c.filters_kept); }},
};

/// Any metric by its id, whether a study has it or not.
/// @throws Error  naming some of the known ones.
inline const Metric& metric(std::string_view id) {
  for (const auto& m : kMetrics)
    if (m.id == id) return m;
  fail("metric", "should be a column that reports know (AP50, ms_network, …), got \"{}\"", id);
}

}  // namespace serpette
