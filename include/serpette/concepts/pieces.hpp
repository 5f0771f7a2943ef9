#pragma once

/// @file
/// The words in which scores, granularities and allocations talk to each other.

#include <cstdint>
#include <string>
#include <vector>

#include "serpette/torch/tensor.hpp"

namespace serpette {

/// What scores make equal on average, since they were divided by the mean of it: layers, or filters
/// and with them layers. Pieces that large cannot be told apart by such scores.
enum class Levelled { kNothing, kLayers, kFilters };

/// Pieces that are ranked among themselves: the kernels of a layer, the channels of a coupled
/// group.
struct PieceSet {
  std::string name;  ///< As errors call it, e.g. "conv_7": its layer, or the first of its layers.
  std::vector<int> convolutions;  ///< Positions in `Graph::convolutions()` of the layers the pieces
                                  ///< are part of, ascending.
  std::int64_t pieces = 0;
  std::int64_t removable = 0;  ///< At most so many of them may go.
  std::int64_t size = 1;       ///< Weights that go with one piece.
  std::int64_t weights = 0;    ///< Weights of the whole set: what a ratio is a share of.
};

/// Importance of every piece: one tensor a set, [pieces], float32 on the CPU, contiguous.
/// |importance| ranks.
using Importance = std::vector<at::Tensor>;

/// Which pieces stay: one tensor a set, [pieces], bool on the CPU, contiguous; true = kept.
using Choice = std::vector<at::Tensor>;

}  // namespace serpette
