#pragma once

#include <ATen/ops/rand.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include "serpette/concepts/attack.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/laws/catch.hpp"
#include "serpette/torch/operators.hpp"

namespace serpette::laws {

/// A smooth loss with known gradient, different for every image:  L_n = Σ (x − target_n)² / 2.
inline Victim distance_from(const at::Tensor& target) {
  return [target](const at::Tensor& images, const Aim&) {
    const auto gap = images - target;
    return Ascent{gap.square().sum({1, 2, 3}) / 2, gap};
  };
}

/// What every Attack holds to. Run it on an attack of your own: `laws::attack(Mine{},
/// Mine{}.epsilon);`
/// @param epsilon  the radius it promises, in the L∞ norm.
template <Attack P>
void attack(const P& policy, double epsilon) {
  INFO("attack: " << P::name);
  const auto images = [] {
    auto x = at::rand({3, 3, 8, 8});
    x[1].round_();  // black and white pixels: at the edge of [0, 1]
    return x;
  }();
  const auto victim = distance_from(at::rand({3, 3, 8, 8}));
  const auto before = images.clone();
  const auto run = [&](const at::Tensor& x, const Victim& f, std::uint64_t seed) {
    Generator rng{Seed(seed)};
    return policy.perturb(f, x, rng);
  };
  const auto attacked = run(images, victim, 1);

  CHECK(images.equal(before));
  CHECK(attacked.sizes() == images.sizes());
  CHECK(attacked.scalar_type() == images.scalar_type());
  CHECK_FALSE(attacked.requires_grad());
  CHECK((attacked - images).abs().max().template item<double>() <= epsilon + 1e-6);
  CHECK(attacked.min().template item<double>() >= 0);
  CHECK(attacked.max().template item<double>() <= 1);
  CHECK(run(images, victim, 1).equal(attacked));  // equal seeds, equal images

  if constexpr (is_identity<P>) {
    CHECK(attacked.equal(images));
  } else {
    const Aim aim;
    // It raises the loss wherever there is room; image 1 may already be at its worst.
    const auto gain = victim(attacked, aim).loss - victim(images, aim).loss;
    CHECK(gain[0].template item<double>() >= 0);
    CHECK(gain[2].template item<double>() >= 0);
    // A loss that is flat gives no direction; the result still lies in the ball and holds no NaN.
    const auto flat = [](const at::Tensor& x, const Aim&) {
      return Ascent{at::zeros({x.size(0)}), at::zeros_like(x)};
    };
    const auto still = run(images, flat, 2);
    CHECK(((still - images).abs() <= epsilon + 1e-6).all().template item<bool>());
    // Images outside [0, 1] are refused, not clamped in silence.
    CHECK_THROWS_AS(run(images + 0.5, victim, 1), Error);
  }
}

}  // namespace serpette::laws
