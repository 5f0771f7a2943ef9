#pragma once

#include <optional>
#include <string>
#include <vector>

#include "serpette/formats/darknet/weights_file.hpp"
#include "serpette/graph/graph.hpp"

namespace serpette {

/// A warning where cfg and weights fit each other in size but not in meaning.
///
/// Known is one trap: the published YOLOv3-tiny COCO weights were trained with `mask = 1,2,3` in
/// the second head; darknet's cfg of today says 0,1,2, and their AP50 falls from 0.43 to 0.29 on
/// real photographs.
/// @param header  of the weights, which tell by the number of images they have seen.
inline std::optional<std::string> known_mistake(const Graph& graph, const WeightsHeader& header) {
  constexpr std::uint64_t kPublishedTiny = 32'013'312;
  const auto heads = graph.heads();
  if (header.seen != kPublishedTiny || heads.size() != 2) return std::nullopt;
  const auto& second = graph.head(heads.back());
  if (second.mask != std::vector{0, 1, 2}) return std::nullopt;
  return fmt::format(
      "{} should have mask = 1,2,3 for these weights (the published YOLOv3-tiny), got 0,1,2: boxes "
      "will "
      "be too small",
      graph[heads.back()].name);
}

}  // namespace serpette
