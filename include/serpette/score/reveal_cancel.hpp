#pragma once

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/where.h>

#include <cstdint>
#include <tuple>
#include <utility>
#include <vector>

#include "serpette/graph/activation.hpp"
#include "serpette/graph/convolve.hpp"
#include "serpette/graph/execute.hpp"
#include "serpette/graph/graph.hpp"
#include "serpette/score/attribution.hpp"
#include "serpette/score/rescale.hpp"
#include "serpette/torch/operators.hpp"

namespace serpette {

/// DeepLIFT's RevealCancel rule: every difference from the reference is split into what pushed it
/// up and what pushed it down, Δ = P + N, and both have multipliers of their own, so that a push
/// that a later one cancels is still seen.
///
///   convolution    P_y = w⁺ * Δ⁺ + w⁻ * Δ⁻,  N_y = w⁻ * Δ⁺ + w⁺ * Δ⁻,  each split by sign: of the
///                  *total* difference Δ of what it reads, not of P and N; where Δ = 0, whatever
///                  cancelled there, half of the input's parts goes either way
///   nonlinearity   P_y = ½[f(y⁰ + P) − f(y⁰) + f(y⁰ + N + P) − f(y⁰ + N)],  N_y likewise
///   max-pool       as under Rescale, by the multiplier of the output's sign
///   product        none: a network with [sam] or [scale_channels] is refused
///
/// The other layers carry P and N apart. Contributions still add up to the target's difference.
/// Costs about five times what Rescale does. Source: Shrikumar et al. 2017, sec. 3.4 and 3.5.2.
///
/// A rule of `Attribution::walk`: multipliers are [2N, C, H, W], of the N images' P and behind them
/// of their N.
class RevealCancel {
 public:
  /// Splits the differences of all layers: two passes of convolutions by either sign of the
  /// weights.
  /// @param x, reference  what `net` computed for the images and for their references, which may be
  /// one for all.
  RevealCancel(const Attribution& net, const Attribution::Activations& x,
               const Attribution::Activations& reference)
      : net_(net),
        x_(x),
        reference_(reference),
        input_(net.graph().layers.size()),
        before_(input_.size()) {
    require_fits(net.graph());
    const at::NoGradGuard no_grad;
    trace(net.graph(), by_sign(x.images - reference.images), Split{{}, *this});
  }

  /// @throws Error  for a network with a product of layers.
  static void require_fits(const Graph& graph) {
    for (const int i : graph.all<Product>())
      fail(graph[i].name, "RevealCancel has no rule for a product of layers; Rescale has");
  }

  /// The target's multiplier is the same for both parts.
  [[nodiscard]] at::Tensor seed(const at::Tensor& target) const {
    return at::cat({target, target});
  }

  [[nodiscard]] at::Tensor through(int i, Activation activation, const at::Tensor& m) const {
    if (activation == Activation::kLinear) return m;
    const auto y0 = reference_before(i, activation);
    const auto [p, n] = halves(before_[static_cast<std::size_t>(i)]);
    const auto d0 = detail::derivative(y0, activation);
    // Of a part that is next to nothing, the limit.
    const auto slope = [&](const at::Tensor& part, const at::Tensor& other) {
      const auto limit = (d0 + detail::derivative(y0 + other, activation)) * 0.5;
      return at::where(part.abs() < kRescaleThreshold, limit,
                       credit(activation, y0, part, other) / part);
    };
    return at::cat({slope(p, n), slope(n, p)}).mul_(m);
  }

  template <class Sink>
  [[nodiscard]] at::Tensor convolution(int i, const Convolutional& conv, const at::Tensor& m,
                                       bool wanted, const Sink& sink) const {
    const auto& weight = net_.folded(i);
    const auto [up, down] = signs(weight);
    const auto [mp, mn] = halves(m);
    const auto [p, n] = halves(input_[static_cast<std::size_t>(i)]);
    for (std::int64_t k = 0; k < mp.size(0); ++k) {
      const auto sums = [&](const at::Tensor& multiplier, const at::Tensor& part) {
        return std::get<1>(convolve_backward(multiplier.narrow(0, k, 1), part.narrow(0, k, 1),
                                             weight, conv, false, true));
      };
      sink(at::where(weight >= 0, sums(mp, p) + sums(mn, n), sums(mn, p) + sums(mp, n)));
    }
    if (!wanted) return {};
    const auto back = [&](const at::Tensor& multiplier, const at::Tensor& w) {
      return std::get<0>(convolve_backward(multiplier, p, w, conv, true, false));
    };
    // The same for both parts, by which way their sum goes.
    const auto rising = back(mp, up) + back(mn, down), falling = back(mp, down) + back(mn, up);
    const auto both = at::where((p + n).abs() < kRescaleThreshold, (rising + falling) * 0.5,
                                at::where(p > 0, rising, falling));
    return at::cat({both, both});
  }

  [[nodiscard]] at::Tensor pool(int i, const MaxPool& pool, const at::Tensor& m) const {
    const int from = net_.graph()[i].inputs.front();
    const auto [mp, mn] = halves(m);
    const auto whole = at::where(x_.of(i) - reference_.of(i) > 0, mp, mn);
    const auto back = max_pool_multiplier(whole, x_.of(from), reference_.of(from), pool);
    return at::cat({back, back});
  }

  /// Never asked for: the constructor refuses products.
  [[nodiscard]] std::pair<at::Tensor, at::Tensor> product(int, int, const at::Tensor& m) const {
    return {m, m};
  }

 private:
  /// How both parts of a difference, [2N, C, H, W], pass the layers.
  struct Split : LayerRules {
    RevealCancel& rule;

    [[nodiscard]] at::Tensor convolution(int i, const Convolutional& conv,
                                         const at::Tensor& /*parts*/) const {
      const int from = rule.net_.graph()[i].inputs.front();
      const auto x = by_sign(rule.x_.of(from) - rule.reference_.of(from));
      rule.input_[static_cast<std::size_t>(i)] = x;
      const auto [up, down] = signs(rule.net_.folded(i));
      const auto by = [&](const at::Tensor& part, const at::Tensor& w) {
        return convolve(part, w, {}, conv);
      };
      const auto [p, n] = halves(x);
      return activation(i, conv.activation,
                        at::cat({by(p, up) + by(n, down), by(p, down) + by(n, up)}));
    }
    [[nodiscard]] at::Tensor activation(int i, Activation activation, const at::Tensor& y) const {
      rule.before_[static_cast<std::size_t>(i)] = y;
      return rule.activated(i, activation);
    }
    [[nodiscard]] at::Tensor pool(int i, const MaxPool&, const at::Tensor&, const Shape&) const {
      return by_sign(rule.x_.of(i) - rule.reference_.of(i));
    }
  };

  static at::Tensor by_sign(const at::Tensor& delta) {
    return at::cat({delta.clamp_min(0), delta.clamp_max(0)});
  }

  static std::pair<at::Tensor, at::Tensor> halves(const at::Tensor& both) {
    const auto n = both.size(0) / 2;
    return {both.narrow(0, 0, n), both.narrow(0, n, n)};
  }

  static std::pair<at::Tensor, at::Tensor> signs(const at::Tensor& weight) {
    return {weight.clamp_min(0), weight.clamp_max(0)};
  }

  /// What `part` adds to f, averaged over coming before and after the other part.
  static at::Tensor credit(Activation activation, const at::Tensor& y0, const at::Tensor& part,
                           const at::Tensor& other) {
    const auto f = [&](const at::Tensor& y) { return detail::activate_(y.clone(), activation); };
    return (f(y0 + part) - f(y0) + f(y0 + other + part) - f(y0 + other)) * 0.5;
  }

  /// The reference's value in front of an activation. Leaky's is had from what is behind it.
  [[nodiscard]] at::Tensor reference_before(int i, Activation activation) const {
    if (activation != Activation::kLeaky) return reference_.before[static_cast<std::size_t>(i)];
    const auto& out = reference_.of(i);
    return at::where(out >= 0, out, out / kLeakySlope);
  }

  [[nodiscard]] at::Tensor activated(int i, Activation activation) const {
    const auto& before = before_[static_cast<std::size_t>(i)];
    if (activation == Activation::kLinear) return before;
    const auto y0 = reference_before(i, activation);
    const auto [p, n] = halves(before);
    return at::cat({credit(activation, y0, p, n), credit(activation, y0, n, p)});
  }

  const Attribution& net_;
  const Attribution::Activations &x_, &reference_;
  // By graph index: what convolutions read, by the sign of its difference, and the parts in front
  // of activations.
  std::vector<at::Tensor> input_, before_;
};

}  // namespace serpette
