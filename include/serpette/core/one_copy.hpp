#pragma once

#include <ATen/ops/cat.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "serpette/torch/tensor.hpp"

namespace serpette {

/// Tensors of one type on a device. Where all come from one other device they travel in one copy,
/// so that a GPU is waited for once, not at every tensor.
inline std::vector<at::Tensor> in_one_copy(std::vector<at::Tensor> tensors, at::Device device) {
  if (tensors.empty()) return tensors;
  const auto from = tensors.front().device();
  const bool together = std::ranges::all_of(
      tensors, [&](const at::Tensor& tensor) { return tensor.device() == from; });
  if (!together || from == device) {
    for (auto& tensor : tensors) tensor = tensor.to(device);
    return tensors;
  }
  std::vector<at::Tensor> flat;
  std::vector<std::int64_t> counts;
  for (const auto& tensor : tensors) {
    flat.push_back(tensor.flatten());
    counts.push_back(tensor.numel());
  }
  const auto parts = at::cat(flat).to(device).split_with_sizes(counts);
  for (std::size_t i = 0; i < tensors.size(); ++i) tensors[i] = parts[i].view(tensors[i].sizes());
  return tensors;
}

}  // namespace serpette
