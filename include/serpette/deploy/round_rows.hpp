#pragma once

/// @internal Floats that become what a convolution in fewer bits reads.

#include <cstdint>

#include "serpette/deploy/dot_kernels.hpp"
#include "serpette/deploy/narrow_numbers.hpp"
#include "serpette/deploy/rounded_map.hpp"
#include "serpette/deploy/slice.hpp"

namespace serpette::deploy {

/// Rounds rows begin … end − 1 of a map, and writes the padding around them.
/// @param from      [rows][W][C]
/// @param to        has room for these rows, and for the padding above or below them.
/// @param parallel  as of WinogradConvolution::run.
template <class Number, class Parallel>
void round_rows(const Rounding<Number>& rounding, const MapRows<const float>& from,
                const RoundedRows& to, std::int64_t begin, std::int64_t end,
                const Parallel& parallel) {
  const auto& layout = to.layout;
  const std::int64_t channels = layout.shape.channels, width = layout.shape.width;
  const auto& kernels = dot_kernels_here<Number>();
  parallel(end - begin, [&](std::int64_t first, std::int64_t last) {
    for (auto row = begin + first; row < begin + last; ++row) {
      const float* numbers = from.data + (row - from.first) * width * channels;
      auto* cells = reinterpret_cast<Number*>(to.cells(row));
      if (layout.depth == channels)
        kernels.round(rounding, numbers, width * channels, cells);
      else
        kernels.round_cells(rounding, numbers, width, channels, layout.filled, layout.depth, cells);
    }
    to.pad(begin + first, begin + last);
  });
}

}  // namespace serpette::deploy
