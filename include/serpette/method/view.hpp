#pragma once

#include <utility>

#include "serpette/concepts/erased.hpp"
#include "serpette/torch/nn.hpp"

namespace serpette {

/// What the network reads of RGB images: the colour mode's view of them.
inline at::Tensor network_images(const ErasedColorMode& color, const at::Tensor& rgb) {
  return color.expand(color.encode(rgb)).contiguous();
}

/// A victim on encoded images: the gradient goes through the colour mode, so that a grey image is
/// attacked on its one grey channel.
inline Victim colored(const Victim& victim, const ErasedColorMode& color) {
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
template <Detector D>
at::Tensor attacked_images(D& detector, const ImageBatch& batch, const ErasedAttack& attack,
                           const ErasedColorMode& color, Generator& rng) {
  const auto encoded = color.encode(batch.images);
  if (attack.is_identity) return color.expand(encoded).contiguous();
  return color.expand(attack.perturb(colored(detector.victim(batch.truth), color), encoded, rng))
      .contiguous();
}

/// The attacker of a training stage.
/// @param detector  outlives it, as does `rng`; it is attacked as it is at the time of the call.
template <Detector D>
Adversary make_adversary(D& detector, const ErasedAttack& attack, const ErasedColorMode& color,
                         Generator& rng) {
  Adversary::Parts parts{
      .encode = color.encode,
      .expand = color.expand,
      .victim = [&detector,
                 color](const at::Tensor& truth) { return colored(detector.victim(truth), color); },
      .perturb = attack.is_identity ? Adversary::Perturb{} : attack.perturb};
  return {std::move(parts), rng};
}

}  // namespace serpette
