#pragma once

#include <cstdint>

#include "serpette/concepts/attack.hpp"
#include "serpette/core/seed.hpp"

namespace serpette::test {

/// What an attack makes of images; its randomness begins with the seed.
at::Tensor perturbed(const Attack auto& attack, const Victim& victim, const at::Tensor& images,
                     std::uint64_t seed = 0) {
  Generator rng{Seed(seed)};
  return attack.perturb(victim, images, rng);
}

}  // namespace serpette::test
