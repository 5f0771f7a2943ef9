#pragma once

#include "support/graph_builder.hpp"

namespace serpette::test {

/// A leaky convolution that keeps the map's size, or divides it by its stride.
inline Convolutional leaky(int filters, int size, int stride = 1) {
  return {.filters = filters,
          .size = size,
          .stride = stride,
          .padding = size / 2,
          .activation = Activation::kLeaky};
}

/// Four layers whose maps are large: enlarged, halved, squeezed, and as before, to be added to.
inline GraphBuilder large_network(int width = 416) {
  GraphBuilder network({3, 208, width});
  network.conv(leaky(16, 3)).conv(leaky(64, 3, 2)).conv(leaky(60, 1)).conv(leaky(64, 3));
  return network;
}

}  // namespace serpette::test
