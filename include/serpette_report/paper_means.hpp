#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "serpette_report/families.hpp"

namespace serpette {

/// The paper's ratios [%].
inline constexpr std::array<std::string_view, 9> kPaperRatios{"0",  "25", "50", "65", "75",
                                                              "85", "90", "95", "99"};

/// What the paper measured of a scenario: its mAP, which is under PGD, over its ratios.
struct PaperMeans {
  std::string_view scenario;
  std::array<double, kPaperRatios.size()> map;
};

/// Averages of Tables V–IX; a test holds them against share/paper/runs.csv.
inline constexpr std::array<PaperMeans, 5> kPaperMeans{
    {{"unstructured_deeplift",
      {0.4104, 0.3869, 0.3596, 0.3379, 0.3046, 0.2414, 0.1848, 0.0901, 0.0373}},
     {"unstructured_hydra", {0.4092, 0.381, 0.342, 0.3106, 0.2652, 0.2097, 0.1699, 0.1087, 0.0468}},
     {"structured_deeplift",
      {0.4099, 0.3664, 0.3135, 0.2723, 0.2256, 0.1765, 0.1411, 0.1033, 0.0428}},
     {"structured_hydra", {0.4137, 0.3567, 0.2884, 0.2458, 0.1998, 0.1613, 0.1307, 0.089, 0.0545}},
     {"unstructured_deeplift_greyscale",
      {0.3311, 0.3166, 0.2753, 0.2431, 0.2119, 0.174, 0.1439, 0.1054, 0.0408}}}};

/// What the untouched YOLOv3 reaches there under the same attack, by a later version of the paper.
inline constexpr double kPaperOriginal = 0.176;

/// The paper's mAP of a scenario, that of its structured ones for kernels as well as for whole
/// filters; nothing where the paper has none.
inline std::optional<double> paper_map(std::string_view scenario, std::string_view ratio) {
  const auto column = std::ranges::find(kPaperRatios, ratio) - kPaperRatios.begin();
  if (column == std::ssize(kPaperRatios)) return std::nullopt;
  for (const auto& row : kPaperMeans)
    for (const auto reading : kReadings)
      if (under(reading, row.scenario) == scenario)
        return row.map[static_cast<std::size_t>(column)];
  return std::nullopt;
}

/// The part of its mAP at 0 % that a scenario of the paper keeps.
inline std::optional<double> paper_retention(std::string_view scenario, std::string_view ratio) {
  const auto here = paper_map(scenario, ratio), whole = paper_map(scenario, "0");
  return here && whole ? std::optional(*here / *whole) : std::nullopt;
}

}  // namespace serpette
