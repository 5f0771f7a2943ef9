#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <string_view>

#include "serpette/core/contract.hpp"
#include "serpette/graph/graph.hpp"

namespace serpette::detail {

/// A head with new_coords reads probabilities in darknet's cfg, of a logistic convolution. Here
/// every head reads logits: the sigmoid belongs to the head, and `WriteLayer` gives it back.
inline void make_heads_logits(Graph& graph, std::string_view place) {
  for (const int head : graph.heads()) {
    if (!graph.head(head).new_coords) continue;
    const int source = graph[head].inputs.front();
    auto* const conv = source == kImage
                           ? nullptr
                           : graph.layers[static_cast<std::size_t>(source)].as<Convolutional>();
    require(conv && conv->activation == Activation::kLogistic,
            fmt::format("{}:{}", place, graph[head].line),
            "{} with new_coords=1 should read a convolution with activation=logistic, got another",
            graph[head].name);
    for (int i = source + 1; i < graph.size(); ++i)
      for (const int input : graph[i].inputs)
        require(input != source || i == head, fmt::format("{}:{}", place, graph[i].line),
                "{} should not read {}, whose probabilities are {}'s alone", graph[i].name,
                graph[source].name, graph[head].name);
    conv->activation = Activation::kLinear;
  }
}

}  // namespace serpette::detail
