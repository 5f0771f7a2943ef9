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
/// can be cut out; where `input` is defined it zeroes the weights that read the removed channels.
///
/// Compaction cuts an input channel out of the weight where the filter that makes it goes too;
/// while others still read that filter, the weights stay as zeros. A filter that nobody reads any
/// more (every reader's `input` says so) goes.
struct LayerMask {
  at::Tensor weight;    ///< bool, like the weight; true = kept.
  at::Tensor filter{};  ///< bool [C_out]; true = kept; undefined unless whole filters are removed.
  at::Tensor input{};   ///< bool [C_in], of all groups; true = read; undefined: all are.
};

/// One LayerMask per convolution, in the order of `Graph::convolutions()`.
using Mask = std::vector<LayerMask>;

/// What the loss does when a gate of a convolution opens: its derivative by a factor on the weight,
/// or on the filter's output, at the mask as it is; of what is pruned, too.
struct LayerSlopes {
  at::Tensor weight;  ///< ∂L/∂eff · w, like the weight.
  at::Tensor filter;  ///< [C_out].
};

/// One LayerSlopes per convolution, likewise.
using Slopes = std::vector<LayerSlopes>;

}  // namespace serpette
