#pragma once

#include <ATen/OpMathType.h>
#include <ATen/ops/full.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>

#include "serpette/attack/ball.hpp"
#include "serpette/concepts/attack.hpp"
#include "serpette/torch/operators.hpp"

namespace serpette {

/// Carlini & Wagner's L2 attack on a detector: the nearest image on which it misses or misnames
/// every true box,
///   minimise  ‖x − x₀‖² + c·f(x),   f(x) = Σ over true boxes of max(0, min(o, m)),
/// o the objectness logit of the prediction that answers for a box, m the margin of its class over
/// the next; f = 0 is success (Aim::Goal::kEvade). Adam runs on w,
///   x = lo + (hi − lo)·(1 + tanh w)/2,  [lo, hi] = [x₀ − ε, x₀ + ε] ∩ [0, 1],
/// so that no step needs a projection; c is searched for by bisection, for each image on its own:
/// up tenfold until an image succeeds, down where it does. An image stops early where a tenth of
/// the steps gained nothing. Returns per image the nearest success, or where there is none the
/// point of least f, the image itself included. Cost: at most `searches` · `steps` + 1 forward and
/// backward passes. Source: Carlini & Wagner 2017, sec. V–VI; docs/policies/attack.md.
struct CarliniWagner {
  static constexpr std::string_view name = "C&W";

  double epsilon = 0.05;       ///< Radius of the L∞ ball [pixel value]; 1: all of [0, 1].
  double start = 1;            ///< c of the first search [squared distance per logit].
  double learning_rate = 0.1;  ///< Adam's, on w.
  int searches = 4;            ///< Values of c tried.
  int steps = 50;              ///< Steps for each.
  bool own = false;  ///< The boxes are the detector's own on the clean image, not ground truth.

  static constexpr auto describe() {
    return settings(
        setting<&CarliniWagner::epsilon>("Radius of the ball [pixel value]", from_to(0, 1)),
        setting<&CarliniWagner::start>("Price of success in the first search", above(0, 1e9)),
        setting<&CarliniWagner::learning_rate>("Adam's, in tanh space", at_least(0)),
        setting<&CarliniWagner::searches>("Prices tried, by bisection for each image", at_least(0)),
        setting<&CarliniWagner::steps>("Steps for each price", at_least(0)),
        setting<&CarliniWagner::own>("Boxes: the detector's own, not ground truth"));
  }

  /// @throws Error  if `images` leaves [0, 1], start is not above 0, or another setting is
  /// negative.
  [[nodiscard]] at::Tensor perturb(const Victim& victim, const at::Tensor& images,
                                   Generator&) const {
    require(steps >= 0, name, "steps should be at least 0, got {}", steps);
    require(searches >= 0, name, "searches should be at least 0, got {}", searches);
    require(start > 0, name, "start should be above 0, got {}", start);
    require(learning_rate >= 0, name, "learning_rate should be at least 0, got {}", learning_rate);
    const Ball ball(name, images, epsilon);
    const auto& x0 = ball.centre();
    const Aim aim{.goal = Aim::Goal::kEvade, .own = own};
    const Victim faced = victim.facing(x0, aim);

    // In half neither Adam's squares nor what keeps its quotient from 0 / 0 are there: images alone
    // are as coarse as they came.
    Found found{x0.clone(), -faced.loss(x0, aim).to(at::toOpMathType(x0.scalar_type())), {}};
    found.distance = distance_of(found.f, at::zeros_like(found.f));
    auto c = at::full_like(found.f, start), low = at::zeros_like(c),
         high = at::full_like(c, std::numeric_limits<double>::infinity());
    for (int s = 0; s < searches; ++s) {
      // What is evaded at no distance at all needs no search.
      const auto rows = (found.distance > 0).nonzero().squeeze(1);
      if (rows.size(0) == 0) break;
      const auto met = search(faced, rows, ball, c, found, aim);
      high = at::where(met, c.minimum(high), high);
      low = at::where(met, low, c.maximum(low));
      c = at::where(high.isinf(), c * 10, (low + high) / 2);
    }
    return found.x;
  }

 private:
  /// The best of every image so far.
  struct Found {
    at::Tensor x, f;      ///< [N, C, H, W]; [N] at x.
    at::Tensor distance;  ///< [N] ‖x − x₀‖² where f = 0, infinite elsewhere.
  };

  static at::Tensor distance_of(const at::Tensor& f, const at::Tensor& squared) {
    return at::where(f <= 0, squared, at::full_like(f, std::numeric_limits<double>::infinity()));
  }

  /// One run of Adam on the images `rows`, each at its c.
  /// @return  [N] which images were evaded in it.
  at::Tensor search(const Victim& victim, at::Tensor rows, const Ball& ball, const at::Tensor& c,
                    Found& found, const Aim& aim) const {
    constexpr double kBeta1 = 0.9, kBeta2 = 0.999, kTiny = 1e-8, kEdge = 0.999, kGain = 0.9999;
    const auto& clean = ball.centre();
    auto met = at::zeros_like(c).to(at::kBool);
    // Everything below is about the rows that still run; `of` takes their part.
    auto x0 = clean.index_select(0, rows).to(c.scalar_type());
    auto low = (x0 - epsilon).clamp_min(0), range = (x0 + epsilon).clamp_max(1) - low;
    // atanh, short of the ends, where it is infinite and its gradient nothing.
    const auto t = ((x0 - low) / range.clamp_min(kTiny) * 2 - 1).clamp(-kEdge, kEdge);
    auto w = ((1 + t) / (1 - t)).log() / 2;
    auto first = at::zeros_like(w), second = at::zeros_like(w);
    auto checked = at::full({rows.size(0)}, std::numeric_limits<double>::infinity(), c.options());
    auto now = victim.narrows() ? victim.only(rows) : victim;
    const int patience = std::max(1, steps / 10);
    for (int k = 1; k <= steps; ++k) {
      const auto tanh = w.tanh();
      // The clamp is for the rounding alone.
      const auto x =
          at::minimum(at::maximum(low + range * (1 + tanh) / 2, x0 - epsilon), x0 + epsilon)
              .clamp(0, 1)
              .to(clean.scalar_type());
      const auto ascent = ask(victim, now, rows, x, clean, aim);
      const auto delta = x - x0, f = -ascent.loss.to(c.scalar_type()),
                 squared = delta.square().sum({1, 2, 3}), price = c.index_select(0, rows);

      const auto distance = distance_of(f, squared);
      const auto nearer = distance < found.distance.index_select(0, rows);
      const auto lower = found.distance.index_select(0, rows).isinf().logical_and(
          f < found.f.index_select(0, rows));
      const auto better = nearer.logical_or(lower);
      const auto take = [&](at::Tensor& all, const at::Tensor& part) {
        all.index_copy_(0, rows,
                        at::where(part.dim() == 4 ? better.view({-1, 1, 1, 1}) : better, part,
                                  all.index_select(0, rows)));
      };
      take(found.x, x);
      take(found.f, f);
      take(found.distance, distance);
      met.index_copy_(0, rows, met.index_select(0, rows).logical_or(f <= 0));

      const auto wide = price.view({-1, 1, 1, 1});
      const auto g = (2 * delta - wide * ascent.gradient) * range / 2 * (1 - tanh.square());
      first = kBeta1 * first + (1 - kBeta1) * g;
      second = kBeta2 * second + (1 - kBeta2) * g.square();
      w = w - learning_rate * (first / (1 - std::pow(kBeta1, k))) /
                  ((second / (1 - std::pow(kBeta2, k))).sqrt() + kTiny);

      if (k % patience != 0 || k == steps) continue;
      const auto cost = squared + price * f;
      const auto going = (cost < kGain * checked).nonzero().squeeze(1);
      checked = cost;
      if (going.size(0) == rows.size(0)) continue;
      if (going.size(0) == 0) break;
      for (auto* part : {&x0, &low, &range, &w, &first, &second, &checked, &rows})
        *part = part->index_select(0, going);
      if (victim.narrows()) now = victim.only(rows);
    }
    return met;
  }

  /// What the victim says of images that stand for `rows` of the batch.
  static Ascent ask(const Victim& whole, const Victim& narrowed, const at::Tensor& rows,
                    const at::Tensor& x, const at::Tensor& clean, const Aim& aim) {
    if (whole.narrows()) return narrowed(x, aim);
    auto all = clean.clone();
    all.index_copy_(0, rows, x);
    const auto said = whole(all, aim);
    return {said.loss.index_select(0, rows), said.gradient.index_select(0, rows)};
  }
};

static_assert(Attack<CarliniWagner>);

}  // namespace serpette
