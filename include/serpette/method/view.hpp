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

/// A victim on encoded images: the gradient goes through the colour mode, so that a grey image is
/// attacked on its one grey channel.
template <ColorMode Color>
Victim colored(const Victim& victim, const Color& color) {
  const auto seen = [color](const at::Tensor& encoded) {
    return color.expand(encoded.detach()).contiguous();
  };
  Victim::Parts parts{
      .ascend = [victim, color](const at::Tensor& encoded, const Aim& aim) -> Ascent {
        torch::AutoGradMode enable(true);
        const auto leaf = encoded.detach().requires_grad_();
        const auto network = color.expand(leaf);
        auto ascent = victim(network.detach().contiguous(), aim);
        if (!network.is_same(leaf))
          ascent.gradient = torch::autograd::grad({network}, {leaf}, {ascent.gradient})[0];
        return ascent;
      },
      .loss = [victim, seen](const at::Tensor& encoded,
                             const Aim& aim) { return victim.loss(seen(encoded), aim); },
      .facing = [victim, color, seen](
                    const at::Tensor& clean,
                    const Aim& aim) { return colored(victim.facing(seen(clean), aim), color); }};
  if (victim.narrows())
    parts.only = [victim, color](const at::Tensor& rows) {
      return colored(victim.only(rows), color);
    };
  return Victim(std::move(parts));
}

/// Network images of the batch under attack: crafted against the detector in evaluation mode, truth
/// known.
template <Detector D, Attack A, ColorMode Color>
at::Tensor attacked_images(D& detector, const ImageBatch& batch, const A& attack,
                           const Color& color, Generator& rng) {
  const auto encoded = color.encode(batch.images);
  if (leaves_images(attack)) return color.expand(encoded).contiguous();
  return color.expand(attack.perturb(colored(detector.victim(batch.truth), color), encoded, rng))
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
                 color](const at::Tensor& truth) { return colored(detector.victim(truth), color); },
      .perturb = Adversary::perturb_of(attack)};
  return {std::move(parts), rng};
}

}  // namespace serpette
