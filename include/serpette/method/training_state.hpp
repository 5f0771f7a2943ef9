#pragma once

#include <cstdint>
#include <cstring>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "serpette/concepts/objective.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/core/peers.hpp"
#include "serpette/core/seed.hpp"
#include "serpette/torch/nn.hpp"

/// @file
/// What a stopped training needs to go on as if it had not been stopped.

namespace serpette {

/// A training between two steps. Tensors may be handles: a step may change them.
struct TrainingState {
  std::int64_t step = 0;          ///< Steps that are made.
  double averaged_steps = 0;      ///< Of the moving average; 0 without one.
  std::vector<at::Tensor> moved;  ///< What the steps change, batch norm's statistics among it.
  std::vector<at::Tensor> averages;
  std::string optimizer;  ///< Its state as LibTorch writes it.
  at::Tensor generators;  ///< [processes, bytes]: where each one's random numbers are.
};

namespace detail {

inline std::string bytes_of(const torch::optim::Optimizer& optimizer) {
  std::ostringstream out;
  torch::save(optimizer, out);
  return std::move(out).str();
}
/// @param device  of what the optimizer moves: its state may have been written on another one.
inline void read_bytes(const std::string& bytes, torch::optim::Optimizer& optimizer,
                       at::Device device) {
  std::istringstream in(bytes);
  torch::load(optimizer, in, device);
}

/// Writes tensors over others of the same shapes.
inline void copy_all(const std::vector<at::Tensor>& from, const std::vector<at::Tensor>& to) {
  const torch::NoGradGuard no_grad;
  require(from.size() == to.size(), "checkpoint", "should hold {} tensors, got {}", to.size(),
          from.size());
  for (std::size_t i = 0; i < to.size(); ++i) {
    require(from[i].sizes() == to[i].sizes(), "checkpoint",
            "should hold the tensors of this network, got others at place {}", i);
    to[i].detach().copy_(from[i]);
  }
}

/// Where the random numbers of all processes are, a row each.
/// @param device  where the processes' tensors are.
inline at::Tensor gathered(const Peers& peers, const Generator::Position& own, at::Device device) {
  const auto drawn = at::tensor({own.drawn}, at::kLong).view(at::kByte);
  const auto row = at::cat({drawn, own.torch.flatten()});
  if (peers.alone()) return row.view({1, -1});
  auto rows = at::zeros({peers.share.size, row.numel()},
                        at::device(device).dtype(at::kDouble));  // sums of bytes are exact
  rows[peers.share.rank].copy_(row);
  peers.sum(rows);
  return rows.to(at::kCPU, at::kByte);
}
/// This process's of them.
inline Generator::Position own_position(const Peers& peers, const at::Tensor& rows) {
  require(rows.size(0) == peers.share.size, "checkpoint",
          "should be of {} processes, got one of {}", peers.share.size, rows.size(0));
  const auto row = rows[peers.share.rank].contiguous();
  std::int64_t drawn = 0;
  std::memcpy(&drawn, row.const_data_ptr<std::uint8_t>(), sizeof drawn);
  return {drawn, row.slice(0, sizeof drawn).clone()};
}

}  // namespace detail

}  // namespace serpette
