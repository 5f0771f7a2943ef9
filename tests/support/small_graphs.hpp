#pragma once

#include "support/graph_builder.hpp"

namespace serpette::test {

/// conv + BN + leaky; conv + bias + leaky at stride 2; head convolution.
inline Graph tiny_graph(int classes = 2, Shape input = {3, 16, 16}) {
  return GraphBuilder(input)
      .conv({.filters = 8,
             .size = 3,
             .padding = 1,
             .batch_normalize = true,
             .activation = Activation::kLeaky})
      .conv({.filters = 8, .size = 3, .stride = 2, .padding = 1, .activation = Activation::kLeaky})
      .head(classes)
      .done();
}

/// Every kind of layer and of activation, two heads; convolutions 0 and the pair of heads cut the
/// graph.
inline Graph all_kinds() {
  return GraphBuilder({3, 16, 16})
      .conv({.filters = 8,
             .size = 3,
             .padding = 1,
             .batch_normalize = true,
             .activation = Activation::kLeaky})  // 0
      .conv({.filters = 8,
             .size = 3,
             .padding = 1,
             .groups = 2,
             .batch_normalize = true,
             .activation = Activation::kMish})
      .shortcut(0, Activation::kLeaky)                                    // 2
      .max_pool({.size = 2, .stride = 2, .padding = 1})                   // 3
      .conv({.filters = 8, .size = 1, .activation = Activation::kSwish})  // 4
      .max_pool({.size = 2, .stride = 1, .padding = 1})                   // 5
      .max_pool({.size = 5, .stride = 1, .padding = 4})                   // 6
      .route({6, 5, 4})                                                   // 7
      .conv({.filters = 8,
             .size = 3,
             .stride = 2,
             .padding = 1,
             .activation = Activation::kLogistic})  // 8
      .route({8}, 2, 1)                             // 9
      .head(2)                                      // 11
      .route({9})                                   // 12
      .upsample()                                   // 13
      .route({13, 5})                               // 14
      .conv({.filters = 6,
             .size = 3,
             .padding = 1,
             .batch_normalize = true,
             .activation = Activation::kRelu})  // 15
      .shortcut(14, Activation::kSwish)         // 16: six channels, of twelve
      .head(2)                                  // 18
      .done();
}

}  // namespace serpette::test
