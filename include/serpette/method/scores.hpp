#pragma once

#include <ATen/ops/zeros_like.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "serpette/concepts/erased.hpp"
#include "serpette/core/batch_stream.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/method/activations.hpp"
#include "serpette/torch/nn.hpp"

namespace serpette {

/// ∂loss/∂weight of every convolution, batch norm in evaluation mode, the mean over all images.
/// Memory: one batch's.
/// @throws Error  if there is no image.
template <Detector D>
std::vector<at::Tensor> weight_gradients(D& detector, const BatchStream& batches) {
  std::vector<at::Tensor> weights;
  for (const int index : detector.graph().convolutions())
    weights.push_back(LayerParameters(detector.layer(index)).weight);
  for (const auto& weight : weights) weight.mutable_grad() = at::Tensor();
  detector.train(false);
  std::int64_t images = 0;
  for (const ImageBatch& batch : batches) {
    if (batch.size() == 0) continue;
    images += batch.size();
    const auto mean = detector.loss(detector.forward(batch.images), batch.truth).total();
    mean.mul(static_cast<double>(batch.size())).backward();
  }
  require(images > 0, "scores", "should have images to look at, got none");
  std::vector<at::Tensor> gradients;
  for (const auto& weight : weights) {
    gradients.push_back(weight.grad().defined()
                            ? weight.grad().detach().div(static_cast<double>(images))
                            : at::zeros_like(weight.detach()));
    weight.mutable_grad() = at::Tensor();
  }
  return gradients;
}

namespace detail {

/// The scores of a policy that sees one layer at a time. One that reads inputs scores every layer
/// once per batch, while the batch passes through it; the score is the mean over all images.
/// @param one  one(position, input) scores a layer.
template <Detector D, class One>
ScoreMap mean_over_images(const D& detector, const BatchStream& batches, const One& one) {
  ScoreMap sums(detector.graph().convolutions().size());
  std::int64_t images = 0;
  for (const ImageBatch& batch : batches) {
    if (batch.size() == 0) continue;
    images += batch.size();
    for_each_convolution_input(detector, batch.images, [&](std::size_t i, const at::Tensor& input) {
      const auto weighted = one(i, input).mul(static_cast<double>(batch.size()));
      sums[i] = sums[i].defined() ? sums[i].add_(weighted) : weighted;
    });
  }
  require(images > 0, "scores", "should have images to look at, got none");
  for (auto& sum : sums) sum.div_(static_cast<double>(images));
  return sums;
}

}  // namespace detail

/// Importance of every weight, by whichever form the policy offers. All images count, and one batch
/// is in memory at a time: a gradient is the mean over all images; a policy that reads inputs
/// (`needs_input`) is asked once per batch, and its scores are averaged by the number of images.
/// @param batches  images as the network reads them: colour mode applied.
/// @throws Error   if a policy returns scores of another shape, or any that are not finite.
template <Detector D>
ScoreMap importance_scores(const ErasedScore& policy, D& detector, const BatchStream& batches,
                           Seed seed) {
  Generator rng(seed);
  const auto convolutions = detector.graph().convolutions();
  detector.train(false);
  const auto fitting = [&](std::size_t i, const at::Tensor& scores) {
    const LayerParameters layer = detector.layer(convolutions[i]);
    require(scores.sizes() == layer.weight.sizes(), policy.name,
            "shape should be {} as layer \"{}\", got {}", fmt::join(layer.weight.sizes(), "x"),
            detector.graph()[convolutions[i]].name, fmt::join(scores.sizes(), "x"));
    return scores;
  };
  ScoreMap scores;
  if (policy.score_all) {
    AnyDetector any(detector);
    scores = policy.score_all(any, batches, rng);
  } else {
    const torch::NoGradGuard no_grad;
    std::vector<at::Tensor> gradients(convolutions.size());
    if (policy.needs_gradient) {
      const torch::AutoGradMode with_grad(true);
      gradients = weight_gradients(detector, batches);
    }
    const auto one = [&](std::size_t i, const at::Tensor& input) {
      const LayerParameters layer = detector.layer(convolutions[i]);
      return fitting(
          i, policy.score({.name = detector.graph()[convolutions[i]].name,
                           .index = convolutions[i],
                           .weight = layer.weight.detach(),
                           .gamma = layer.gamma.defined() ? layer.gamma.detach() : layer.gamma,
                           .input = input,
                           .gradient = gradients[i]},
                          rng));
    };
    if (policy.needs_input)
      scores = detail::mean_over_images(detector, batches, one);
    else
      for (std::size_t i = 0; i < convolutions.size(); ++i) scores.push_back(one(i, {}));
  }
  require(scores.size() == convolutions.size(), policy.name, "should score {} convolutions, got {}",
          convolutions.size(), scores.size());
  for (std::size_t i = 0; i < scores.size(); ++i)
    require(fitting(i, scores[i]).isfinite().all().template item<bool>(), policy.name,
            "scores should be finite, got others in layer \"{}\"",
            detector.graph()[convolutions[i]].name);
  return scores;
}

}  // namespace serpette
