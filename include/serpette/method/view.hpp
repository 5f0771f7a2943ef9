#pragma once

#include <algorithm>
#include <utility>

#include "serpette/concepts/attack.hpp"
#include "serpette/concepts/color_mode.hpp"
#include "serpette/concepts/detector.hpp"
#include "serpette/core/share.hpp"
#include "serpette/method/together.hpp"
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

/// A training batch in the colour mode's view, the last `attacked` part of it under attack.
template <Detector D, Attack A, ColorMode Color>
ImageBatch robust_batch(D& detector, ImageBatch batch, const A& attack, const Color& color,
                        double attacked, Generator& rng) {
  const auto n = batch.size();
  auto clean = n;
  if constexpr (!is_identity<A>) {  // of the whole batch, of which image i is process i mod size's
    const Share share = peers_of(detector).share;
    const auto whole = n * share.size;
    const auto clean_in_whole =
        whole - static_cast<std::int64_t>(static_cast<double>(whole) * attacked + 0.5);
    clean =
        std::clamp<std::int64_t>((clean_in_whole - share.rank + share.size - 1) / share.size, 0, n);
  }
  auto images = network_images(color, batch.images);
  if (clean < n) {
    const auto hit = attacked_images(detector, batch.slice(clean, n), attack, color, rng);
    images = at::cat({images.slice(0, 0, clean), hit});
  }
  batch.images = std::move(images);
  return batch;
}

}  // namespace serpette
