#pragma once

#include <functional>

#include "serpette/core/share.hpp"
#include "serpette/torch/tensor.hpp"

namespace serpette {

/// The processes that train one network together, each on its share of every batch. By default this
/// process alone.
struct Peers {
  Share share;

  /// Replaces a tensor by its sum over all processes, the same bits in each. All call it in the
  /// same order, with the same shape and type, and wait for one another. Never called where
  /// `alone()`.
  std::function<void(at::Tensor&)> sum;

  [[nodiscard]] bool alone() const { return share.size == 1; }
};

}  // namespace serpette
