#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "serpette_report/markup.hpp"
#include "serpette_report/palette.hpp"

namespace serpette {

/// What the weights of one layer are worth, filter by filter.
struct LayerImportance {
  std::string name;             ///< "conv_7".
  std::string shape;            ///< "64 x 32 x 3 x 3".
  double total = 0;             ///< Σ |score| of the layer.
  std::vector<double> filters;  ///< Mean |score| of each filter, in their order.
};

/// Where the importance sits, as a stand-alone SVG: of every layer its share of the network's, as a
/// bar, and its filters side by side in their order, the darker the nearer to the layer's most
/// important one. Of more than 128 filters neighbours share a cell, which shows their mean.
inline std::string importance_svg(const std::string& title,
                                  const std::vector<LayerImportance>& layers) {
  constexpr std::size_t kCells = 128;
  constexpr double kRow = 18, kTop = 62, kName = 20, kShape = 110, kBar = 250, kBarWidth = 150,
                   kStrip = 470, kStripWidth = 384;
  const double all = std::accumulate(layers.begin(), layers.end(), 0.0,
                                     [](double sum, const auto& l) { return sum + l.total; });
  double most = 0;
  for (const auto& layer : layers) most = std::max(most, all > 0 ? layer.total / all : 0);
  const double width = kStrip + kStripWidth + 20,
               height = kTop + kRow * static_cast<double>(layers.size()) + 20;
  std::string svg = fmt::format(
      R"(<svg xmlns="http://www.w3.org/2000/svg" width="{0:.0f}" height="{1:.0f}" viewBox="0 0 {0:.0f} {1:.0f}" font-family="Helvetica, Arial, sans-serif" font-size="11" fill="#1b1f24" role="img" aria-label="{2}">)"
      "\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
      R"(<text x="20" y="24" font-size="16" font-weight="bold">{2}</text>)"
      "\n",
      width, height, escape_xml(title));
  const auto add = [&]<class... Args>(fmt::format_string<Args...> text, Args&&... args) {
    fmt::format_to(std::back_inserter(svg), text, std::forward<Args>(args)...);
  };
  for (const auto& [x, words] :
       {std::pair{kName, "layer"}, std::pair{kShape, "weights"},
        std::pair{kBar, "share of the network's"}, std::pair{kStrip, "filters, in their order"}})
    add(R"(<text x="{}" y="50" fill="#57606a">{}</text>)"
        "\n",
        x, words);
  double y = kTop;
  for (const auto& layer : layers) {
    const double share = all > 0 ? layer.total / all : 0;
    add(R"(<text x="{}" y="{}">{}</text><text x="{}" y="{}" fill="#57606a">{}</text>)", kName,
        y + 12, escape_xml(layer.name), kShape, y + 12, escape_xml(layer.shape));
    add(R"(<rect x="{}" y="{}" width="{:.2f}" height="{}" fill="{}"/><text x="{:.2f}" y="{}">{:.1f} %</text>)",
        kBar, y + 2, most > 0 ? kBarWidth * share / most : 0, kRow - 5, kHues[0].light,
        kBar + (most > 0 ? kBarWidth * share / most : 0) + 4, y + 12, 100 * share);
    const auto cells = std::min(kCells, layer.filters.size());
    const double highest = layer.filters.empty() ? 0 : *std::ranges::max_element(layer.filters);
    for (std::size_t c = 0; c < cells; ++c) {
      const auto begin = c * layer.filters.size() / cells,
                 end = (c + 1) * layer.filters.size() / cells;
      const double mean =
          std::accumulate(layer.filters.begin() + static_cast<std::ptrdiff_t>(begin),
                          layer.filters.begin() + static_cast<std::ptrdiff_t>(end), 0.0) /
          static_cast<double>(end - begin);
      add(R"(<rect x="{:.2f}" y="{}" width="{:.2f}" height="{}" fill="{}" fill-opacity="{:.3f}"/>)",
          kStrip + kStripWidth * static_cast<double>(c) / static_cast<double>(cells), y + 2,
          kStripWidth / static_cast<double>(cells), kRow - 5, kHues[0].light,
          highest > 0 ? mean / highest : 0);
    }
    svg += '\n';
    y += kRow;
  }
  return svg + "</svg>\n";
}

}  // namespace serpette
