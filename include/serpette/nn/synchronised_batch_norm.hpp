#pragma once

#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>

#include <cstdint>
#include <utility>

#include "serpette/core/peers.hpp"
#include "serpette/graph/layer_view.hpp"
#include "serpette/torch/nn.hpp"

namespace serpette {

namespace detail {

inline at::Tensor over_images(const at::Tensor& x) { return x.sum({0, 2, 3}, false, at::kDouble); }
inline at::Tensor per_channel(const at::Tensor& x) { return x.view({1, -1, 1, 1}); }

/// x̂·γ + β with mean and variance of all processes' x. Statistics cross processes once forward and
/// once backward, as sums in double; the images stay where they are.
struct SynchronisedBatchNorm : torch::autograd::Function<SynchronisedBatchNorm> {
  using Context = torch::autograd::AutogradContext;
  struct Kept : torch::CustomClassHolder {
    Peers peers;
    explicit Kept(Peers p) : peers(std::move(p)) {}
  };

  static at::Tensor forward(Context* context, const at::Tensor& input, const at::Tensor& gamma,
                            const at::Tensor& beta, const at::Tensor& running_mean,
                            const at::Tensor& running_var, double momentum, double epsilon,
                            const Peers& peers) {
    const auto x = input.to(gamma.scalar_type());
    // About the process's own mean first, so that the squares do not cancel.
    const double own = static_cast<double>(x.numel()) / static_cast<double>(x.size(1));
    const auto own_mean = over_images(x) / own;
    const auto own_squares = over_images((x - per_channel(own_mean).to(x.scalar_type())).square());
    auto sums = at::cat({own_mean * own, own_squares + own * own_mean.square(),
                         at::full({1}, own, own_mean.options())});
    peers.sum(sums);
    const auto channels = x.size(1);
    const auto count = sums.narrow(0, 2 * channels, 1);
    const auto mean = sums.narrow(0, 0, channels) / count;
    const auto variance = (sums.narrow(0, channels, channels) / count - mean.square()).clamp_min(0);
    running_mean.mul_(1 - momentum).add_(mean.to(running_mean.scalar_type()), momentum);
    running_var.mul_(1 - momentum)
        .add_((variance * count / (count - 1)).to(running_var.scalar_type()), momentum);

    const auto inverse = (variance + epsilon).rsqrt().to(x.scalar_type());
    const auto normal = (x - per_channel(mean.to(x.scalar_type()))) * per_channel(inverse);
    context->save_for_backward({normal, gamma, inverse, count});
    context->saved_data["type"] = static_cast<std::int64_t>(input.scalar_type());
    context->saved_data["peers"] = at::IValue::make_capsule(c10::make_intrusive<Kept>(peers));
    return (normal * per_channel(gamma) + per_channel(beta)).to(input.scalar_type());
  }

  /// ∂L/∂x = γ/σ·(g − mean g − x̂·mean(g·x̂)), the means over all processes; γ and β get this
  /// process's part, which is summed with all other gradients.
  static torch::autograd::variable_list backward(Context* context,
                                                 const torch::autograd::variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const auto &normal = saved[0], &gamma = saved[1], &inverse = saved[2], &count = saved[3];
    const auto g = gradients[0].to(normal.scalar_type());
    const auto of_beta = over_images(g), of_gamma = over_images(g * normal);
    auto sums = at::cat({of_beta, of_gamma});
    c10::static_intrusive_pointer_cast<Kept>(context->saved_data["peers"].toCapsule())
        ->peers.sum(sums);
    const auto means = (sums / count).to(g.scalar_type()).chunk(2);
    const auto of_x =
        per_channel(gamma * inverse) * (g - per_channel(means[0]) - normal * per_channel(means[1]));
    const auto type = static_cast<at::ScalarType>(context->saved_data["type"].toInt());
    const at::Tensor none;
    return {of_x.to(type),
            of_gamma.to(gamma.scalar_type()),
            of_beta.to(gamma.scalar_type()),
            none,
            none,
            none,
            none,
            none};
  }
};

}  // namespace detail

/// Batch norm in training mode over the batches of several processes, as SyncBatchNorm does: equal
/// to batch norm of one process with all images, running statistics and gradients included. All
/// processes call it in the same order.
/// @param x  [N, C, h, w] this process's images; N may differ between processes.
inline at::Tensor synchronised_batch_norm(const at::Tensor& x, const LayerParameters& layer,
                                          double momentum, double epsilon, const Peers& peers) {
  return detail::SynchronisedBatchNorm::apply(x, layer.gamma, layer.beta, layer.running_mean,
                                              layer.running_var, momentum, epsilon, peers);
}

}  // namespace serpette
