#pragma once

/// @file
/// What the layers without weights make of tensors. Where `into` is defined it is filled and
/// returned (outside autograd), otherwise the result is a tensor of its own or a view.

#include <ATen/core/grad_mode.h>
#include <ATen/ops/add.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/upsample_nearest2d.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "serpette/graph/activation.hpp"
#include "serpette/graph/graph.hpp"
#include "serpette/torch/tensor.hpp"

namespace serpette::detail {

/// A shortcut's sum, before its activation.
inline at::Tensor add(const at::Tensor& first, const at::Tensor& other, at::Tensor into = {}) {
  if (first.size(1) != other.size(1)) {
    auto sum = into.defined() ? into.copy_(first) : first.clone();
    const auto shared = std::min(first.size(1), other.size(1));
    sum.narrow(1, 0, shared).add_(other.narrow(1, 0, shared));
    return sum;
  }
  if (!into.defined()) return first.add(other);
  at::add_out(into, first, other);
  return into;
}

/// A route's parts of its inputs, along channels.
/// @param inputs  in the order of the layer's.
inline at::Tensor concatenate(const Route& route, const std::vector<at::Tensor>& inputs,
                              at::Tensor into = {}) {
  std::vector<at::Tensor> parts;
  for (const auto& input : inputs) {
    const auto [first, count] = route.taken(static_cast<int>(input.size(1)));
    parts.push_back(input.narrow(1, first, count));
  }
  if (parts.size() == 1) return parts.front();
  if (!into.defined()) return at::cat(parts, 1);
  at::cat_out(into, parts, 1);
  return into;
}

inline at::Tensor enlarge(const at::Tensor& x, const Upsample& up, at::Tensor into = {}) {
  const std::int64_t size[] = {x.size(2) * up.stride, x.size(3) * up.stride};
  if (!into.defined()) return at::upsample_nearest2d(x, size);
  at::upsample_nearest2d_out(into, x, size);
  return into;
}

/// Darknet's max-pool: the window sees −∞ beyond the edge, padding / 2 cells before and the rest
/// after.
inline at::Tensor max_pool(const at::Tensor& x, const MaxPool& pool, const Shape& out) {
  const std::int64_t before = pool.padding / 2, after = pool.padding - before;
  const auto padded = [&] {
    return pool.padding == 0 ? x
                             : at::constant_pad_nd(x, {before, after, before, after},
                                                   -std::numeric_limits<double>::infinity());
  };
  const bool is_recorded = at::GradMode::is_enabled() && x.requires_grad();
  if (x.is_cpu() && !is_recorded && !x.is_contiguous(at::MemoryFormat::ChannelsLast)) {
    // Maxima of shifted views, along rows and then along columns: on maps that are not
    // channels-last LibTorch's own takes ten times as long.
    auto y = padded();
    for (const auto& [axis, length] : {std::pair{3, out.width}, std::pair{2, out.height}}) {
      const auto view = [&](std::int64_t first) {
        return y.slice(axis, first, first + (length - 1) * pool.stride + 1, pool.stride);
      };
      auto highest = at::maximum(view(0), view(std::min(1, pool.size - 1)));
      for (std::int64_t k = 2; k < pool.size; ++k) at::maximum_out(highest, highest, view(k));
      y = highest;
    }
    return y;
  }
  const auto cells = [&](std::int64_t in) {
    return (in + 2 * before - pool.size) / pool.stride + 1;
  };
  // LibTorch pads both sides alike; where that gives as many windows, they are the same windows.
  if (2 * before <= pool.size && cells(x.size(2)) == out.height && cells(x.size(3)) == out.width)
    return at::max_pool2d(x, {pool.size, pool.size}, {pool.stride, pool.stride}, {before, before});
  return at::max_pool2d(padded(), {pool.size, pool.size}, {pool.stride, pool.stride});
}

}  // namespace serpette::detail
