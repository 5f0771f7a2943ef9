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

namespace detail {
/// Images in [0, 1], one of them black and white: at the edge of what they may be.
inline at::Tensor images_to_attack() {
  auto images = at::rand({3, 3, 8, 8});
  images[1].round_();
  return images;
}

template <Attack P>
at::Tensor attacked(const P& policy, const at::Tensor& images, const Victim& victim,
                    std::uint64_t seed = 1) {
  Generator rng{Seed(seed)};
  return policy.perturb(victim, images, rng);
}
}  // namespace detail

/// What every Attack holds to, on floats and on doubles: the argument is left alone, the result is
/// of its kind, in [0, 1] and within the radius, and repeats. Run it on an attack of your own:
/// `laws::attack(Mine{}, Mine{}.epsilon);`
/// @param epsilon  the radius it promises, in the L∞ norm.
template <Attack P>
void attack(const P& policy, double epsilon) {
  INFO("attack: " << P::name);
  const auto images = detail::images_to_attack();
  const auto victim = distance_from(at::rand({3, 3, 8, 8}));
  const auto before = images.clone();
  const auto attacked = detail::attacked(policy, images, victim);

  CHECK(images.equal(before));
  CHECK(attacked.sizes() == images.sizes());
  CHECK(attacked.scalar_type() == images.scalar_type());
  CHECK_FALSE(attacked.requires_grad());
  CHECK((attacked - images).abs().max().template item<double>() <= epsilon + 1e-6);
  CHECK(attacked.min().template item<double>() >= 0);
  CHECK(attacked.max().template item<double>() <= 1);
  CHECK(detail::attacked(policy, images, victim).equal(attacked));  // equal seeds, equal images
  if constexpr (is_identity<P>) CHECK(attacked.equal(images));

  // A loss that is flat gives no direction; the result still lies in the ball and holds no NaN.
  const auto flat = [](const at::Tensor& x, const Aim&) {
    return Ascent{at::zeros({x.size(0)}), at::zeros_like(x)};
  };
  const auto still = detail::attacked(policy, images, flat, 2);
  CHECK(((still - images).abs() <= epsilon + 1e-6).all().template item<bool>());

  // In double precision the ball is as round, and the result as double.
  const auto exact = images.to(at::kDouble);
  const auto doubled =
      detail::attacked(policy, exact, distance_from(at::rand({3, 3, 8, 8}, at::kDouble)));
  CHECK(doubled.scalar_type() == at::kDouble);
  CHECK((doubled - exact).abs().max().template item<double>() <= epsilon + 1e-12);
  CHECK((doubled.min().template item<double>() >= 0 && doubled.max().template item<double>() <= 1));
}

/// @name Promises
/// What a type may hold to beyond its concept. All that ship but NoAttack do; random noise, which
/// looks at no loss, keeps neither.
/// @{

/// The loss is never below that of the images themselves, wherever there is room to raise it.
template <Attack P>
void attack_raises_loss(const P& policy) {
  INFO("attack: " << P::name);
  const auto images = detail::images_to_attack();
  const auto victim = distance_from(at::rand({3, 3, 8, 8}));
  const Aim aim;
  const auto gain =
      victim(detail::attacked(policy, images, victim), aim).loss - victim(images, aim).loss;
  CHECK(gain[0].template item<double>() >= 0);  // image 1 may already be at its worst
  CHECK(gain[2].template item<double>() >= 0);
}

/// Images outside [0, 1] are refused, not clamped in silence.
template <Attack P>
void attack_refuses_other_images(const P& policy) {
  INFO("attack: " << P::name);
  const auto images = detail::images_to_attack() + 0.5;
  CHECK_THROWS_AS(detail::attacked(policy, images, distance_from(at::zeros({3, 3, 8, 8}))), Error);
}
/// @}

}  // namespace serpette::laws
