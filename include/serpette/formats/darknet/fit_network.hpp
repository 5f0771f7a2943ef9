#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/formats/darknet/cfg.hpp"
#include "serpette/graph/graph.hpp"

namespace serpette {

/// How many of the anchors each head predicts, heads by stride ascending (the fine one first). An
/// anchor belongs between two heads of strides s < t to the fine one where √(w·h) < 3·√(s·t): so
/// YOLOv3's and YOLOv3-tiny's own anchors fall, but for one. Every head gets at least one.
/// @param anchors  by area ascending (w, h) [pixels of the canvas].
/// @throws Error   if there are fewer anchors than heads.
inline std::vector<int> anchors_per_head(const std::vector<std::array<float, 2>>& anchors,
                                         const std::vector<double>& strides) {
  const auto heads = static_cast<int>(strides.size()), count = static_cast<int>(anchors.size());
  require(count >= heads, "anchors", "should be at least one for each of {} heads, got {}", heads,
          count);
  std::vector<int> counts;
  int begin = 0;
  for (int h = 0; h + 1 < heads; ++h) {
    const auto at = static_cast<std::size_t>(h);
    const double border = 9 * strides[at] * strides[at + 1];
    int end = begin;
    while (end < count && double(anchors[static_cast<std::size_t>(end)][0]) *
                                  anchors[static_cast<std::size_t>(end)][1] <
                              border)
      ++end;
    end = std::clamp(end, begin + 1, count - (heads - 1 - h));
    counts.push_back(end - begin);
    begin = end;
  }
  counts.push_back(count - begin);
  return counts;
}

/// A network of `base`'s layers for other classes, another canvas and other anchors: the
/// convolution before each head gets the filters that its anchors and the classes need.
/// @param size     width and height of the canvas [pixels]; 0: as it is.
/// @param anchors  by area ascending; empty: the base's anchors, each head's as they are.
/// @throws Error   if a head does not read a convolution of its own, or the canvas does not fit the
/// layers.
inline Graph fit_network(Graph base, int classes, int size,
                         const std::vector<std::array<float, 2>>& anchors) {
  auto heads = base.heads();
  require(!heads.empty(), "base", "should have a detection head, got none");
  const auto stride = [&](int head) {
    return static_cast<double>(base.input.width) / base.shape(head).width;
  };
  std::ranges::stable_sort(heads, {}, stride);
  std::vector<double> strides;
  for (const int head : heads) strides.push_back(stride(head));
  if (size > 0) {
    const int coarsest = static_cast<int>(std::lround(strides.back()));
    require(size % coarsest == 0, "--size", "should be a multiple of {}, got {}", coarsest, size);
    base.input.width = base.input.height = size;
  }
  const auto counts = anchors.empty() ? std::vector<int>{} : anchors_per_head(anchors, strides);
  int first = 0;
  for (std::size_t h = 0; h < heads.size(); ++h) {
    auto& layer = base.layers[static_cast<std::size_t>(heads[h])];
    auto& yolo = *layer.as<Yolo>();
    yolo.classes = classes;
    if (!anchors.empty()) {
      yolo.anchors = anchors;
      yolo.mask.clear();
      for (int i = 0; i < counts[h]; ++i) yolo.mask.push_back(first + i);
      first += counts[h];
    }
    const int source = layer.inputs.front();
    require(source >= 0 && base[source].as<Convolutional>(), layer.name,
            "should read a convolution, whose filters can be fitted; got another layer");
    base.layers[static_cast<std::size_t>(source)].as<Convolutional>()->filters =
        static_cast<int>(yolo.mask.size()) * (5 + classes);
  }
  return parse_cfg(write_cfg(base), "the fitted cfg");  // with all shapes anew
}

/// Layers of a network that do not depend on its classes and anchors: those below the first
/// convolution that feeds a head. What a partial file `.conv.N` may hold for another data set.
inline int layers_below_heads(const Graph& graph) {
  int first = graph.size();
  for (const int head : graph.heads())
    first = std::min(first, std::max(graph[head].inputs.front(), 0));
  return first;
}

}  // namespace serpette
