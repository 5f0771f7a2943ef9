#pragma once

#include <vector>

#include "serpette/torch/tensor.hpp"

namespace serpette {

/// Importance of every weight of every convolution, in the order of `Graph::convolutions()`; each
/// tensor is [C_out, C_in / groups, k_h, k_w] like the weight it scores. Granularities read
/// |score|.
using ScoreMap = std::vector<at::Tensor>;

/// What one convolution keeps. Applying a mask multiplies the weight by `weight`; where `filter` is
/// defined it also zeroes γ, β and bias of the removed filters, so that they are exactly silent and
/// can be cut out.
struct LayerMask {
  at::Tensor weight;  ///< bool, like the weight; true = kept.
  at::Tensor filter;  ///< bool [C_out]; true = kept; undefined unless whole filters are removed.
};

/// One LayerMask per convolution, in the order of `Graph::convolutions()`.
using Mask = std::vector<LayerMask>;

}  // namespace serpette
