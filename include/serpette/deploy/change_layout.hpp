#pragma once

/// @internal What plan.hpp puts between forms.

#include <algorithm>
#include <cstdint>

#include "serpette/deploy/dense_kernels.hpp"
#include "serpette/deploy/workers.hpp"
#include "serpette/torch/tensor.hpp"

namespace serpette::deploy {

/// A matrix [rows, columns] turned: planes [C, H·W] become cells [H·W, C], and the other way round.
/// In blocks that stay in the nearest cache.
inline void turn(const float* from, float* to, std::int64_t rows, std::int64_t columns) {
  constexpr std::int64_t kRows = 16, kColumns = 128;
  const auto blocks = (columns + kColumns - 1) / kColumns;
  const Workers workers(static_cast<double>(rows * columns) * 17);
  workers(blocks, [&](std::int64_t begin, std::int64_t end) {
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

/// Copies one map [1, C, H, W] into a dense one of the other layout.
inline void change_layout(const at::Tensor& from, const at::Tensor& to) {
  const auto channels = from.size(1), cells = from.size(2) * from.size(3);
  auto* data = to.mutable_data_ptr<float>();
  if (from.is_contiguous())
    turn(from.const_data_ptr<float>(), data, channels, cells);
  else if (from.is_contiguous(at::MemoryFormat::ChannelsLast) && to.is_contiguous())
    turn(from.const_data_ptr<float>(), data, cells, channels);
  else
    to.copy_(from);  // a part of the channels of a channels-last map
}

}  // namespace serpette::deploy
