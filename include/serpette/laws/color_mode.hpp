#pragma once

#include <ATen/ops/allclose.h>
#include <ATen/ops/rand.h>
#include <c10/util/Logging.h>

#include "serpette/concepts/color_mode.hpp"
#include "serpette/laws/catch.hpp"

namespace serpette::laws {

/// What every ColorMode holds to. Run it on a mode of your own: `laws::color_mode(Sepia{});`
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

  const auto network_input = mode.expand(encoded);
  CHECK(network_input.sizes() == rgb.sizes());
  // The network's view of an image is a fixed point: a picture already in the mode passes
  // unchanged.
  CHECK(at::allclose(mode.encode(network_input), encoded, 0, 1e-6));
  // Black, white and the letterbox's grey mean the same in every mode.
  for (const double value : {0.0, 0.5, 1.0})
    CHECK(at::allclose(mode.expand(mode.encode(rgb.new_full(rgb.sizes(), value))),
                       rgb.new_full(rgb.sizes(), value), 0, 1e-6));
}

}  // namespace serpette::laws
