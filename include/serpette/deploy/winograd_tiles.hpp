#pragma once

/// @internal What F(4×4, 3×3) can compute, and in how many tiles.

#include <cstdint>

#include "serpette/graph/graph.hpp"

namespace serpette::deploy {

/// Whether a convolution is one for F(4×4, 3×3): 3×3 with stride 1 in one group.
inline bool fits_winograd(const Convolutional& c) {
  return c.size == 3 && c.stride == 1 && c.groups == 1 && c.padding <= 1;
}

/// The 4×4 tiles that cover an output, counted row by row.
struct WinogradTiles {
  int rows, columns;

  explicit WinogradTiles(const Shape& out)
      : rows((out.height + 3) / 4), columns((out.width + 3) / 4) {}

  [[nodiscard]] std::int64_t count() const { return std::int64_t{rows} * columns; }
};

}  // namespace serpette::deploy
