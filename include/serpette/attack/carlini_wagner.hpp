#pragma once

#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include <cmath>
#include <string_view>

#include "serpette/attack/ball.hpp"
#include "serpette/concepts/attack.hpp"
#include "serpette/torch/operators.hpp"

namespace serpette {

/// Carlini & Wagner's attack with a detector's loss:  maximise  L(x) − c·‖x − x₀‖²  by Adam over w,
/// where
///   x = lo + (hi − lo)·(1 + tanh w)/2,  [lo, hi] = [x₀ − ε, x₀ + ε] ∩ [0, 1],
/// so that no step needs a projection. Small c buys loss with distortion, large c finds quiet
/// perturbations. Returns, per image, the best point seen, the image itself included. Cost: `steps`
/// + 1 forward and backward passes. Source: Carlini & Wagner 2017, sec. V–VI;
/// docs/policies/attack.md.
struct CarliniWagner {
  static constexpr std::string_view name = "C&W";

  double epsilon = 0.05;       ///< Radius of the L∞ ball [pixel value].
  double distortion = 0.1;     ///< c, what a unit of squared L2 distance costs [unit of the loss].
  double learning_rate = 0.1;  ///< Adam's, on w.
  int steps = 50;              ///< Number of steps.
  Aim aim{};                   ///< Which loss is raised.

  static constexpr auto describe() {
    return settings(
        setting<&CarliniWagner::epsilon>("Radius of the ball [pixel value]", from_to(0, 1)),
        setting<&CarliniWagner::distortion>("Price of squared distance [unit of the loss]",
                                            at_least(0)),
        setting<&CarliniWagner::learning_rate>("Adam's, in tanh space", at_least(0)),
        setting<&CarliniWagner::steps>("Number of steps", at_least(0)),
        part<&CarliniWagner::aim>("aim"));
  }

  /// @throws Error  if `images` leaves [0, 1], or epsilon, distortion, learning_rate or steps is
  /// negative.
  [[nodiscard]] at::Tensor perturb(const Victim& victim, const at::Tensor& images,
                                   Generator&) const {
    constexpr double kBeta1 = 0.9, kBeta2 = 0.999, kTiny = 1e-8, kEdge = 0.999;
    require(steps >= 0, name, "steps should be at least 0, got {}", steps);
    require(distortion >= 0, name, "distortion should be at least 0, got {}", distortion);
    require(learning_rate >= 0, name, "learning_rate should be at least 0, got {}", learning_rate);
    const Ball ball(name, images, epsilon);
    const auto& x0 = ball.centre();
    const auto low = (x0 - epsilon).clamp_min(0), range = (x0 + epsilon).clamp_max(1) - low;
    // atanh, short of the ends, where it is infinite and its gradient nothing.
    const auto t = ((x0 - low) / range.clamp_min(kTiny) * 2 - 1).clamp(-kEdge, kEdge);
    auto w = ((1 + t) / (1 - t)).log() / 2;

    auto best = x0.clone(), value = victim(x0, aim).loss;
    auto first = at::zeros_like(w), second = at::zeros_like(w);
    for (int k = 1; k <= steps; ++k) {
      const auto tanh = w.tanh();
      const auto x = ball.project(low + range * (1 + tanh) / 2);  // for the rounding alone
      const auto delta = x - x0;
      const auto now = victim(x, aim);
      const auto worth = now.loss - distortion * delta.square().sum({1, 2, 3});
      const auto better = worth > value;
      best = at::where(better.view({-1, 1, 1, 1}), x, best);
      value = at::where(better, worth, value);

      const auto g = (now.gradient - 2 * distortion * delta) * range / 2 * (1 - tanh.square());
      first = kBeta1 * first + (1 - kBeta1) * g;
      second = kBeta2 * second + (1 - kBeta2) * g.square();
      w = w + learning_rate * (first / (1 - std::pow(kBeta1, k))) /
                  ((second / (1 - std::pow(kBeta2, k))).sqrt() + kTiny);
    }
    return best;
  }
};

static_assert(Attack<CarliniWagner>);

}  // namespace serpette
