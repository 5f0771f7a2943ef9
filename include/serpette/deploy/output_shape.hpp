#pragma once

/// @internal Shapes for the convolutions.

#include "serpette/graph/graph.hpp"

namespace serpette::deploy {

/// Shape of what a convolution makes of an input.
inline Shape output_shape(const Convolutional& c, const Shape& in) {
  return {c.filters, (in.height + 2 * c.padding - c.size) / c.stride + 1,
          (in.width + 2 * c.padding - c.size) / c.stride + 1};
}

}  // namespace serpette::deploy
