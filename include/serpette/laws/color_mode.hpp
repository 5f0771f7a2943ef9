#pragma once

#include <ATen/ops/allclose.h>
#include <ATen/ops/full.h>
#include <ATen/ops/rand.h>
#include <c10/util/Logging.h>

#include "serpette/concepts/color_mode.hpp"
#include "serpette/laws/catch.hpp"

namespace serpette::laws {

/// What every ColorMode holds to: the argument is left alone, shapes and range are as its concept
/// says, and what the network reads passes gradients back to what an attack perturbs. Run it on a
/// mode of your own: `laws::color_mode(Sepia{});`
template <ColorMode P>
void color_mode(const P& mode) {
  INFO("color mode: " << P::name);
  const auto rgb = at::rand({2, 3, 6, 5});
  const auto before = rgb.clone();
  const auto encoded = mode.encode(rgb);

  CHECK(rgb.equal(before));
  CHECK(encoded.sizes() == at::IntArrayRef({2, P::channels, 6, 5}));
  CHECK(encoded.min().template item<float>() >= 0);
  CHECK(encoded.max().template item<float>() <= 1);
  CHECK(mode.encode(rgb).equal(encoded));
  CHECK(mode.expand(encoded).sizes() == rgb.sizes());

  const auto leaf = encoded.detach().clone().requires_grad_();
  mode.expand(leaf).sum().backward();
  CHECK(leaf.grad().defined());
}

/// @name Promises
/// What a mode may hold to beyond its concept; those that ship do. A sepia keeps neither.
/// @{

/// A picture already in the mode passes unchanged: what the network sees is a fixed point.
template <ColorMode P>
void color_mode_is_idempotent(const P& mode) {
  INFO("color mode: " << P::name);
  const auto encoded = mode.encode(at::rand({2, 3, 6, 5}));
  CHECK(at::allclose(mode.encode(mode.expand(encoded)), encoded, 0, 1e-6));
}

/// Black, white and the letterbox's grey mean the same as in colour.
template <ColorMode P>
void color_mode_keeps_greys(const P& mode) {
  INFO("color mode: " << P::name);
  for (const double value : {0.0, 0.5, 1.0}) {
    const auto grey = at::full({2, 3, 6, 5}, value);
    CHECK(at::allclose(mode.expand(mode.encode(grey)), grey, 0, 1e-6));
  }
}
/// @}

}  // namespace serpette::laws
