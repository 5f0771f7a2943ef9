#pragma once

#include <ATen/ops/full_like.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <string_view>

#include "serpette/attack/ball.hpp"
#include "serpette/concepts/attack.hpp"
#include "serpette/torch/operators.hpp"

namespace serpette {

/// Auto-PGD, L∞ without a step size: sign steps η with momentum,
///   z = Π(x + η·sign ∇L),  x ← Π( x + ¾(z − x) + ¼(x − x_before) ),
/// η starting at 2ε and halved, from the best point so far, at checkpoints where progress stalls:
/// fewer than three of four steps raised the loss, or neither η nor the best loss has changed since
/// the last one. Every image has its own η. Returns the best point seen, the image itself included.
/// Cost: `steps` + 2 forward and backward passes. Source: Croce & Hein 2020, algorithm 1.
struct Apgd {
  static constexpr std::string_view name = "APGD";

  double epsilon = 0.05;     ///< Radius of the L∞ ball [pixel value].
  int steps = 50;            ///< Number of steps.
  bool random_start = true;  ///< Start at a random point of the ball rather than at the image.
  Aim aim{};                 ///< Which loss is raised.

  static constexpr auto describe() {
    return settings(setting<&Apgd::epsilon>("Radius of the ball [pixel value]", from_to(0, 1)),
                    setting<&Apgd::steps>("Number of steps", at_least(0)),
                    setting<&Apgd::random_start>("Start at a random point of the ball"),
                    part<&Apgd::aim>("aim"));
  }

  /// @throws Error  if `images` leaves [0, 1], or epsilon or steps is negative.
  [[nodiscard]] at::Tensor perturb(const Victim& victim, const at::Tensor& images,
                                   Generator& rng) const {
    constexpr double kMomentum = 0.75, kProgress = 0.75;
    require(steps >= 0, name, "steps should be at least 0, got {}", steps);
    const Ball ball(name, images, epsilon);
    const auto wide = [](const at::Tensor& per_image) { return per_image.view({-1, 1, 1, 1}); };

    const Victim faced = victim.facing(ball.centre(), aim);
    Best best{ball.centre(), faced(ball.centre(), aim)};
    auto x = random_start ? ball.sample(rng) : ball.centre();
    auto now = faced(x, aim);
    best.update(x, now);

    auto before = x;
    auto eta = at::full_like(wide(now.loss), 2 * epsilon);
    auto rises = at::zeros_like(now.loss), checked_loss = best.value.loss,
         halved = at::zeros_like(now.loss).to(at::kBool);
    int checked = 0;
    int period = 22, checkpoint = 22;  // hundredths of the steps
    for (int k = 0; k < steps; ++k) {
      const auto z = ball.project(x + eta * now.gradient.sign());
      auto next =
          k == 0 ? z : ball.project(x + kMomentum * (z - x) + (1 - kMomentum) * (x - before));
      before = x;
      x = next;
      const auto loss = now.loss;
      now = faced(x, aim);
      rises = rises + (now.loss > loss).to(rises.scalar_type());
      best.update(x, now);
      if (k + 1 < (checkpoint * steps + 99) / 100) continue;

      const auto slow = rises < kProgress * (k + 1 - checked);
      const auto stuck = halved.logical_not().logical_and(best.value.loss <= checked_loss);
      halved = slow.logical_or(stuck);
      eta = at::where(wide(halved), eta / 2, eta);
      x = at::where(wide(halved), best.x, x);
      now = {at::where(halved, best.value.loss, now.loss),
             at::where(wide(halved), best.value.gradient, now.gradient)};
      rises = at::zeros_like(rises);
      checked_loss = best.value.loss;
      checked = k + 1;
      period = std::max(period - 3, 6);
      checkpoint += period;
    }
    return best.x;
  }

 private:
  /// The point of the highest loss of every image.
  struct Best {
    at::Tensor x;
    Ascent value;

    void update(const at::Tensor& candidate, const Ascent& found) {
      const auto better = found.loss > value.loss;
      const auto wide = better.view({-1, 1, 1, 1});
      x = at::where(wide, candidate, x);
      value = {at::where(better, found.loss, value.loss),
               at::where(wide, found.gradient, value.gradient)};
    }
  };
};

static_assert(Attack<Apgd>);

}  // namespace serpette
