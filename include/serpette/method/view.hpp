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

/// Encoded images under attack: crafted against the detector in evaluation mode, truth known.
/// Radii are of these, and so are lengths of perturbations: a grey image has one channel here, and
/// three equal ones where the network reads it.
/// @param encoded  [N, channels, H, W], as the colour mode encodes images in [0, 1].
/// @param truth    [M, 6] as in ImageBatch.
/// @return         like `encoded`, within the attack's radius of it.
template <Detector D>
at::Tensor attacked_encoding(D& detector, const at::Tensor& encoded, const at::Tensor& truth,
                             const ErasedAttack& attack, const ErasedColorMode& color,
                             Generator& rng) {
  if (attack.is_identity) return encoded;
  return attack.perturb(colored(detector.victim(truth), color), encoded, rng);
}

/// What the network reads of a batch under attack; see attacked_encoding.
template <Detector D>
at::Tensor attacked_images(D& detector, const ImageBatch& batch, const ErasedAttack& attack,
                           const ErasedColorMode& color, Generator& rng) {
  const auto encoded = color.encode(batch.images);
  return color.expand(attacked_encoding(detector, encoded, batch.truth, attack, color, rng))
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
