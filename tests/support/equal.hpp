#pragma once

#include <algorithm>
#include <vector>

#include "serpette/torch/tensor.hpp"

namespace serpette::test {

/// Whether two lists of tensors agree to the last bit.
inline bool equal(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  return std::ranges::equal(a, b, [](const auto& x, const auto& y) { return x.equal(y); });
}

}  // namespace serpette::test
