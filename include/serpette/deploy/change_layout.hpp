#pragma once

/// @internal What plan.hpp puts between forms.

#include <algorithm>
#include <cstdint>

#include "serpette/deploy/dense_kernels.hpp"
#include "serpette/deploy/map.hpp"
#include "serpette/deploy/workers.hpp"

namespace serpette::deploy {

/// A matrix [rows, columns] turned: planes [C, H·W] become cells [H·W, C], and the other way round.
/// In blocks that stay in the nearest cache.
inline void turn(const float* from, float* to, std::int64_t rows, std::int64_t columns) {
  constexpr std::int64_t kRows = 16, kColumns = 128;
  const auto blocks = (columns + kColumns - 1) / kColumns;
  workers_for(rows * columns)(blocks, [&](std::int64_t begin, std::int64_t end) {
    TurnJob job;
    job.from_pitch = columns;
    job.to_pitch = rows;
    for (auto block = begin; block < end; ++block)
      for (std::int64_t row = 0; row < rows; row += kRows) {
        const auto column = block * kColumns;
        job.from = from + row * columns + column;
        job.to = to + column * rows + row;
        job.rows = static_cast<int>(std::min(kRows, rows - row));
        job.columns = static_cast<int>(std::min(kColumns, columns - column));
        dense_kernels_here().turn(job);
      }
  });
}

/// Copies a map into a dense one of the same shape, in either layout.
inline void copy_map(const ConstMap& from, const Map& to) {
  const auto channels = std::int64_t{from.shape.channels}, cells = from.cells();
  const bool to_planes = to.is_dense(Layout::kPlanes);
  const auto layout = to_planes ? Layout::kPlanes : Layout::kChannelsLast;
  if (from.is_dense(layout))
    std::copy_n(from.data, from.numbers(), to.data);
  else if (to_planes && from.is_dense(Layout::kChannelsLast))
    turn(from.data, to.data, cells, channels);
  else if (!to_planes && from.is_dense(Layout::kPlanes))
    turn(from.data, to.data, channels, cells);
  else  // some channels of a channels-last map
    workers_for(from.numbers())(cells, [&](std::int64_t begin, std::int64_t end) {
      for (auto i = begin; i < end; ++i)
        for (std::int64_t c = 0; c < channels; ++c)
          to.data[c * to.channel_step + i * to.cell_step] =
              from.data[c * from.channel_step + i * from.cell_step];
    });
}

}  // namespace serpette::deploy
