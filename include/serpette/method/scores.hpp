#pragma once

#include <span>
#include <vector>

#include "serpette/concepts/score_init.hpp"
#include "serpette/method/activations.hpp"
#include "serpette/torch/nn.hpp"

namespace serpette {

/// ∂loss/∂weight of every convolution, batch norm in evaluation mode, summed over the batches.
template <Detector D>
std::vector<at::Tensor> weight_gradients(D& detector, std::span<const ImageBatch> batches) {
  std::vector<at::Tensor> weights;
  for (const int index : detector.graph().convolutions())
    weights.push_back(LayerParameters(detector.layer(index)).weight);
  for (const auto& weight : weights) weight.mutable_grad() = at::Tensor();
  detector.train(false);
  for (const auto& batch : batches)
    detector.loss(detector.forward(batch.images), batch.truth).total().backward();
  std::vector<at::Tensor> gradients;
  for (const auto& weight : weights) {
    gradients.push_back(weight.grad().detach().clone());
    weight.mutable_grad() = at::Tensor();
  }
  return gradients;
}

/// Importance of every weight, by whichever form the policy offers.
/// @param batches  images as the network reads them: colour mode applied.
/// @throws Error   if a policy returns scores of another shape, or any that are not finite.
template <ScoreInit Score, Detector D>
ScoreMap importance_scores(const Score& policy, D& detector, std::span<const ImageBatch> batches,
                           Seed seed) {
  Generator rng(seed);
  const auto convolutions = detector.graph().convolutions();
  detector.train(false);
  ScoreMap scores;
  if constexpr (requires { policy.score_all(detector, batches, rng); }) {
    scores = policy.score_all(detector, batches, rng);
  } else {
    torch::NoGradGuard no_grad;
    std::vector<at::Tensor> inputs(convolutions.size()), gradients(convolutions.size());
    if constexpr (needs_input<Score>) inputs = convolution_inputs(detector, batches);
    if constexpr (needs_gradient<Score>) {
      torch::AutoGradMode with_grad(true);
      gradients = weight_gradients(detector, batches);
    }
    for (std::size_t i = 0; i < convolutions.size(); ++i) {
      const LayerParameters layer = detector.layer(convolutions[i]);
      scores.push_back(
          policy.score({.name = detector.graph()[convolutions[i]].name,
                        .index = convolutions[i],
                        .weight = layer.weight.detach(),
                        .gamma = layer.gamma.defined() ? layer.gamma.detach() : layer.gamma,
                        .input = inputs[i],
                        .gradient = gradients[i]},
                       rng));
    }
  }
  require(scores.size() == convolutions.size(), Score::name, "should score {} convolutions, got {}",
          convolutions.size(), scores.size());
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const LayerParameters layer = detector.layer(convolutions[i]);
    const auto& name = detector.graph()[convolutions[i]].name;
    require(scores[i].sizes() == layer.weight.sizes(), Score::name,
            "shape should be {} as layer \"{}\", got {}", fmt::join(layer.weight.sizes(), "x"),
            name, fmt::join(scores[i].sizes(), "x"));
    require(scores[i].isfinite().all().template item<bool>(), Score::name,
            "scores should be finite, got others in layer \"{}\"", name);
  }
  return scores;
}

}  // namespace serpette
