#pragma once

#include <fmt/ranges.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "serpette/concepts/detector.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/core/peers.hpp"
#include "serpette/metric/stopwatch.hpp"
#include "serpette/torch/nn.hpp"

namespace serpette {

// What several processes do to train one network as one process with the whole batch would. For a
// process alone each of these does nothing.

/// Whom a detector is trained with: nobody, unless it has `peers()`.
template <Detector D>
Peers peers_of(const D& detector) {
  if constexpr (requires { detector.peers(); })
    return detector.peers();
  else
    return {};
}

/// Makes tensors what they are in the first process, in place.
inline void take_from_first(const Peers& peers, const std::vector<at::Tensor>& tensors) {
  if (peers.alone()) return;
  const torch::NoGradGuard no_grad;
  for (auto tensor : tensors) {
    if (peers.share.rank > 0) tensor.zero_();
    peers.sum(tensor);
  }
}

/// This process's part of the loss of the whole batch: all parts add up to it.
/// @param mean  the loss per image over the `images` of this process.
inline at::Tensor part_of_whole(const Peers& peers, const at::Tensor& mean, std::int64_t images) {
  if (peers.alone()) return mean;
  auto all = at::full({1}, static_cast<double>(images),
                      mean.options().dtype(at::kDouble).requires_grad(false));
  peers.sum(all);
  return mean * (static_cast<double>(images) / all.item<double>());
}

/// The sum of a number over all processes.
inline double total(const Peers& peers, const at::Tensor& part) {
  auto sum = part.detach().to(at::kDouble, false, true);
  if (!peers.alone()) peers.sum(sum);
  return sum.item<double>();
}

/// Refuses processes that would go on from different steps: each finds a checkpoint of its own, or
/// none, where they share no folder, and would train something that nobody asked for.
/// @param device  where the processes' tensors are.
/// @throws Error  in all of them.
inline void require_same_step(const Peers& peers, std::int64_t step, at::Device device) {
  if (peers.alone()) return;
  auto steps = at::zeros({peers.share.size}, at::device(device).dtype(at::kDouble));
  steps[peers.share.rank].fill_(step);
  peers.sum(steps);
  const auto all = steps.to(at::kCPU, at::kLong);
  require(all.eq(step).all().item<bool>(), "checkpoint",
          "should be found by all processes in one folder, got those of steps {}",
          fmt::join(
              std::span(all.const_data_ptr<std::int64_t>(), static_cast<std::size_t>(all.numel())),
              ", "));
}

/// Lets the first process work alone, however long it takes: the others wait here for it, and hear
/// of it often enough to know that it is there. (A sum is given up after half an hour.)
/// @param device  where the processes' tensors are.
/// @param work     `work(still_here)`, which calls `still_here()` now and then.
/// @param seconds  between two signs of life.
template <class Work>
void in_first(const Peers& peers, at::Device device, const Work& work, double seconds = 60) {
  const auto is_done = [&](bool mine) {
    auto done = at::full({1}, mine ? 1.0 : 0.0, at::device(device).dtype(at::kDouble));
    peers.sum(done);
    return done.item<double>() > 0;
  };
  if (peers.share.rank > 0) {
    while (!is_done(false)) {
    }
    return;
  }
  Stopwatch silent;
  work([&] {
    if (peers.alone() || silent.seconds() < seconds) return;
    (void)is_done(false);
    silent = {};
  });
  if (!peers.alone()) (void)is_done(true);
}

/// Replaces gradients by their sums over all processes, in one message. The same parameters must
/// have one everywhere.
inline void sum_gradients(const Peers& peers, const std::vector<at::Tensor>& parameters) {
  if (peers.alone()) return;
  const torch::NoGradGuard no_grad;
  std::vector<at::Tensor> gradients, flat;
  for (const auto& parameter : parameters)
    if (parameter.grad().defined()) {
      gradients.push_back(parameter.grad());
      flat.push_back(gradients.back().reshape({-1}));
    }
  auto all = at::cat(flat);
  peers.sum(all);
  std::int64_t begin = 0;
  for (auto& gradient : gradients) {
    gradient.copy_(all.narrow(0, begin, gradient.numel()).view(gradient.sizes()));
    begin += gradient.numel();
  }
}

}  // namespace serpette
