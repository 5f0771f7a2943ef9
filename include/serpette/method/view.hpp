#pragma once

#include <utility>

#include "serpette/concepts/attack.hpp"
#include "serpette/concepts/color_mode.hpp"
#include "serpette/concepts/detector.hpp"
#include "serpette/concepts/objective.hpp"
#include "serpette/torch/nn.hpp"

namespace serpette {

/// What the network reads of RGB images: the colour mode's view of them.
template <ColorMode Color>
at::Tensor network_images(const Color& color, const at::Tensor& rgb) {
  return color.expand(color.encode(rgb)).contiguous();
}

/// The detector's victim on encoded images: the gradient goes through the colour mode, so that a
/// grey image is attacked on its one grey channel.
template <Detector D, ColorMode Color>
Victim colored_victim(D& detector, const at::Tensor& truth, const Color& color) {
  return [victim = detector.victim(truth), color](const at::Tensor& encoded,
                                                  const Aim& aim) -> Ascent {
    torch::AutoGradMode enable(true);
    const auto leaf = encoded.detach().requires_grad_();
    const auto network = color.expand(leaf);
    auto ascent = victim(network.detach().contiguous(), aim);
    if (!network.is_same(leaf))
      ascent.gradient = torch::autograd::grad({network}, {leaf}, {ascent.gradient})[0];
    return ascent;
  };
}

/// Network images of the batch under attack: crafted against the detector in evaluation mode, truth
/// known.
template <Detector D, Attack A, ColorMode Color>
at::Tensor attacked_images(D& detector, const ImageBatch& batch, const A& attack,
                           const Color& color, Generator& rng) {
  const auto encoded = color.encode(batch.images);
  if constexpr (is_identity<A>) return color.expand(encoded).contiguous();
  return color.expand(attack.perturb(colored_victim(detector, batch.truth, color), encoded, rng))
      .contiguous();
}

/// The attacker of a training stage.
/// @param detector  outlives it, as does `rng`; it is attacked as it is at the time of the call.
template <Detector D, Attack A, ColorMode Color>
Adversary make_adversary(D& detector, const A& attack, const Color& color, Generator& rng) {
  Adversary::Parts parts{
      .encode = [color](const at::Tensor& images) { return color.encode(images); },
      .expand = [color](const at::Tensor& encoded) { return color.expand(encoded); },
      .victim = [&detector,
                 color](const at::Tensor& truth) { return colored_victim(detector, truth, color); },
      .perturb = {}};
  if constexpr (!is_identity<A>)
    parts.perturb = [attack](const Victim& victim, const at::Tensor& encoded, Generator& random) {
      return attack.perturb(victim, encoded, random);
    };
  return {std::move(parts), rng};
}

}  // namespace serpette
