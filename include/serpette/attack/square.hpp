#pragma once

#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "serpette/attack/ball.hpp"
#include "serpette/concepts/attack.hpp"
#include "serpette/torch/operators.hpp"

namespace serpette {

/// Square attack, L∞: random search that never looks at a gradient. From vertical stripes of ±ε, it
/// proposes a square of ±ε per channel at a random place and keeps it where the loss rises; squares
/// shrink as the search goes on. What it breaks and PGD does not shows a gradient that is masked,
/// not a detector that is robust. Cost: `queries` + 1 forward passes, no backward pass. Source:
/// Andriushchenko et al. 2020, algorithms 1 and 2.
struct Square {
  static constexpr std::string_view name = "Square";

  double epsilon = 0.05;  ///< Radius of the L∞ ball [pixel value].
  int queries = 500;      ///< Number of images shown to the detector, the clean one not counted.
  double start = 0.8;     ///< Part of the image's area that the first squares cover, in (0, 1].
  Aim aim{};              ///< Which loss is raised.

  static constexpr auto describe() {
    return settings(
        setting<&Square::epsilon>("Radius of the ball [pixel value]", from_to(0, 1)),
        setting<&Square::queries>("Number of images shown to the detector", at_least(0)),
        setting<&Square::start>("Part of the area that the first squares cover", above(0, 1)),
        part<&Square::aim>("aim"));
  }

  /// @throws Error  if `images` leaves [0, 1], epsilon or queries is negative, or start leaves (0,
  /// 1].
  [[nodiscard]] at::Tensor perturb(const Victim& victim, const at::Tensor& images,
                                   Generator& rng) const {
    require(queries >= 0, name, "queries should be at least 0, got {}", queries);
    require(start > 0 && start <= 1, name, "start should be in (0, 1], got {}", start);
    const Ball ball(name, images, epsilon);
    const auto n = images.size(0), channels = images.size(1), height = images.size(2),
               width = images.size(3);
    const auto draw = [&](at::IntArrayRef shape) {
      return at::empty(shape, ball.centre().options().device(at::kCPU))
          .uniform_(-1, 1, rng.torch());
    };
    const auto signs = [&](const at::Tensor& drawn) {
      return at::where(drawn >= 0, 1.0, -1.0).to(ball.centre().options()) * epsilon;
    };

    const Victim faced = victim.facing(ball.centre(), aim);
    auto best = ball.centre().clone();
    auto loss = faced.loss(best, aim);
    for (int q = 0; q < queries; ++q) {
      auto candidate = best.clone();
      if (q == 0) {
        candidate = ball.centre() + signs(draw({n, channels, 1, width}));
      } else {
        const auto wanted = static_cast<std::int64_t>(std::lround(
            std::sqrt(area(q) * static_cast<double>(height) * static_cast<double>(width))));
        const auto side = std::clamp<std::int64_t>(wanted, 1, std::min(height, width));
        const auto start_of_side = [&](std::int64_t length) {
          return static_cast<std::int64_t>(
              rng.below(static_cast<std::uint64_t>(length - side + 1)));
        };
        std::vector<std::pair<std::int64_t, std::int64_t>> places;
        std::vector<at::Tensor> drawn;
        for (std::int64_t i = 0; i < n; ++i) {
          const auto top = start_of_side(height), left = start_of_side(width);
          places.emplace_back(top, left);
          drawn.push_back(draw({channels, 1, 1}));
        }
        const auto sign = signs(at::stack(drawn));  // sent to the device at once
        for (std::int64_t i = 0; i < n; ++i) {
          const auto window = [&](const at::Tensor& t) {
            const auto [top, left] = places[static_cast<std::size_t>(i)];
            return t[i].narrow(1, top, side).narrow(2, left, side);
          };
          window(candidate).copy_(window(ball.centre()) + sign[i]);
        }
      }
      candidate = ball.project(candidate);
      const auto now = faced.loss(candidate, aim);
      const auto better = now > loss;
      best = at::where(better.view({-1, 1, 1, 1}), candidate, best);
      loss = at::where(better, now, loss);
    }
    return best;
  }

 private:
  /// The squares' area at query q: halved at fixed parts of the search.
  [[nodiscard]] double area(int q) const {
    const double progress = static_cast<double>(q) / queries;
    double value = start;
    for (const double halving : {0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8})
      if (progress > halving) value /= 2;
    return value;
  }
};

static_assert(Attack<Square>);

}  // namespace serpette
