#pragma once

#include <ATen/core/grad_mode.h>
#include <ATen/ops/upsample_nearest2d_backward.h>
#include <ATen/ops/zeros.h>

#include <array>
#include <cstdint>
#include <tuple>
#include <utility>
#include <vector>

#include "serpette/graph/convolve.hpp"
#include "serpette/graph/execute.hpp"
#include "serpette/graph/fold.hpp"
#include "serpette/graph/graph.hpp"
#include "serpette/score/rescale.hpp"
#include "serpette/torch/operators.hpp"

namespace serpette {

/// A detector's graph with its batch norms folded into the weights, which can be run and explained
/// without autograd: DeepLIFT's contributions of every weight of every convolution from one
/// backward pass.
///
/// For a convolution y = Σ w·x with multiplier m_y (the effect on the target per unit of Δy), the
/// weight contributes
///   S_w = w · Σ_positions m_y · Δx,   Δx = x − x⁰,
/// and the bias nothing. Folding leaves S unchanged: w' = w·s and m_y = s·m_y'.
class Attribution {
 public:
  /// Outputs of every layer for some images, and what those activations read whose slope cannot be
  /// had from their output.
  struct Activations : Trace {
    std::vector<at::Tensor> before;  ///< By graph index; undefined for the others.
  };

  /// Takes a copy of the weights; the detector is read only here.
  template <class D>
  explicit Attribution(const D& detector)
      : graph_(detector.graph()), layers_(graph_.layers.size()) {
    const at::NoGradGuard no_grad;
    for (const int i : graph_.convolutions()) {
      auto [weight, bias] = fold_batch_norm(detector.layer(i));
      layers_[static_cast<std::size_t>(i)] = {weight.contiguous(at::MemoryFormat::ChannelsLast),
                                              std::move(bias)};
    }
  }

  [[nodiscard]] const Graph& graph() const { return graph_; }

  /// Forward pass in evaluation mode.
  [[nodiscard]] Activations run(const at::Tensor& images) const {
    const at::NoGradGuard no_grad;
    Activations a{{}, std::vector<at::Tensor>(graph_.layers.size())};
    static_cast<Trace&>(a) = trace(
        graph_, images.detach().contiguous(at::MemoryFormat::ChannelsLast), Recorded{{}, *this, a});
    return a;
  }

  /// What every head reads, in the order of `graph().heads()`.
  [[nodiscard]] std::vector<at::Tensor> heads(const Activations& a) const {
    std::vector<at::Tensor> found;
    for (const int i : graph_.heads()) found.push_back(a.of(i));
    return found;
  }

  /// One backward pass of multipliers, from the heads to the image, by the Rescale rule.
  /// @param x, reference  of the images and of their references; the reference may be one for all
  /// images.
  /// @param target        ∂t/∂logits of every head, [N, …] like the heads of x.
  /// @param sink          called as sink(position among the convolutions, sums) with the weights'
  /// sums
  ///                      Σ m_y·Δx of one image at a time, like the *folded* weight: S =
  ///                      `weight(position)` · sums.
  template <class Sink>
  void explain(const Activations& x, const Activations& reference,
               const std::vector<at::Tensor>& target, Sink&& sink) const {
    walk(Rescale{*this, x, reference}, target, sink);
  }

  /// The same by any rule, which says how multipliers pass what is not linear:
  ///   seed(target)                             multipliers of a head
  ///   through(i, activation, m)                in front of layer i's activation from behind it
  ///   convolution(i, conv, m, wanted, sink)    each image's sums to the sink; returns the input's
  ///                                            multipliers if they are wanted
  ///   pool(i, pool, m)                         of a max-pool's input
  ///   product(first, other, m)                 of both factors, the layers of these indices
  /// The multipliers' batch may hold more than one per image.
  template <class Rule, class Sink>
  void walk(const Rule& rule, const std::vector<at::Tensor>& target, Sink&& sink) const {
    const at::NoGradGuard no_grad;
    std::vector<at::Tensor> multipliers(graph_.layers.size());
    const auto heads = graph_.heads();
    for (std::size_t h = 0; h < heads.size(); ++h)
      multipliers[static_cast<std::size_t>(heads[h])] = rule.seed(target[h]);
    auto position = graph_.convolutions().size();
    for (int i = graph_.size() - 1; i >= 0; --i) {
      const auto& layer = graph_[i];
      const int from = layer.inputs.front();
      if (layer.as<Convolutional>()) --position;
      const auto m = std::exchange(multipliers[static_cast<std::size_t>(i)], {});
      if (!m.defined()) continue;  // no head hears this layer
      const auto give = [&](int input, const at::Tensor& part) {
        if (input == kImage) return;
        auto& sum = multipliers[static_cast<std::size_t>(input)];
        sum = sum.defined() ? sum + part : part;
      };
      // Of an input the channels [first, first + part's) alone are heard.
      const auto give_some = [&](int input, int first, const at::Tensor& part) {
        const auto shape = shape_of(input, m);
        if (part.size(1) == shape[1]) return give(input, part);
        const auto spread = at::zeros(shape, m.options());
        spread.narrow(1, first, part.size(1)).copy_(part);
        give(input, spread);
      };
      visit(
          layer,
          [&](const Convolutional& conv) {
            give(from,
                 rule.convolution(i, conv, rule.through(i, conv.activation, m), from != kImage,
                                  [&](const at::Tensor& sums) { sink(position, sums); }));
          },
          [&](const Shortcut& shortcut) {
            const auto before = rule.through(i, shortcut.activation, m);
            const int other = layer.inputs.back();
            give(from, before);
            give_some(other, 0,
                      before.narrow(1, 0,
                                    Shortcut::shared(static_cast<int>(before.size(1)),
                                                     graph_.shape(other).channels)));
          },
          [&](const Route& route) {
            std::int64_t channel = 0;
            for (const int input : layer.inputs) {
              const auto [first, count] = route.taken(graph_.shape(input).channels);
              give_some(input, first, m.narrow(1, channel, count));
              channel += count;
            }
          },
          [&](const Upsample& up) {
            const auto in = shape_of(from, m);
            give(from,
                 at::upsample_nearest2d_backward(m, {in[2] * up.stride, in[3] * up.stride}, in));
          },
          [&](const MaxPool& pool) { give(from, rule.pool(i, pool, m)); },
          [&](const Product& product) {
            const int other = layer.inputs.back();
            const auto [of_first, of_other] = rule.product(from, other, m);
            give(from, product.by_channel ? of_first.sum({2, 3}, true) : of_first);
            give(other, of_other);
          },
          [&](const GlobalAverage&) {
            const auto in = shape_of(from, m);
            give(from, m.mul(1.0 / static_cast<double>(in[2] * in[3])).expand(in).contiguous());
          },
          [&](const Yolo&) { give(from, m); });
    }
  }

  /// The folded weight of the n-th convolution.
  [[nodiscard]] const at::Tensor& weight(std::size_t position) const {
    return folded(graph_.convolutions()[position]);
  }

  /// The folded weight of the convolution at a graph index.
  [[nodiscard]] const at::Tensor& folded(int index) const {
    return layers_[static_cast<std::size_t>(index)].weight;
  }

 private:
  /// How `run` runs: what activations read is kept where the slope cannot be had from the output.
  struct Recorded : LayerRules {
    const Attribution& net;
    Activations& kept;

    [[nodiscard]] at::Tensor convolution(int i, const Convolutional& conv,
                                         const at::Tensor& x) const {
      const auto& [weight, bias] = net.layers_[static_cast<std::size_t>(i)];
      return activation(i, conv.activation, convolve(x, weight, bias, conv));
    }
    [[nodiscard]] at::Tensor activation(int i, Activation activation, const at::Tensor& y) const {
      if (activation == Activation::kLinear || activation == Activation::kLeaky)
        return detail::activate_(y, activation);
      kept.before[static_cast<std::size_t>(i)] = y;
      return detail::activate_(y.clone(), activation);
    }
  };

  /// Source: Shrikumar et al. 2017, sec. 3.5.1.
  struct Rescale {
    const Attribution& net;
    const Activations &x, &reference;

    static at::Tensor seed(const at::Tensor& target) { return target; }

    [[nodiscard]] at::Tensor through(int index, Activation activation, const at::Tensor& m) const {
      const auto i = static_cast<std::size_t>(index);
      switch (activation) {
        case Activation::kLinear:
          return m;
        case Activation::kLeaky:
          return through_leaky(m, x.output[i], reference.output[i], kLeakySlope);
        case Activation::kRelu:
          return relu_slope(x.before[i], reference.before[i]).mul_(m);
        case Activation::kLogistic:
          return logistic_slope(x.before[i], reference.before[i]).mul_(m);
        case Activation::kMish:
        case Activation::kSwish:
          return secant_slope(x.before[i], reference.before[i], x.output[i], reference.output[i],
                              activation)
              .mul_(m);
      }
      return m;
    }

    template <class Sink>
    [[nodiscard]] at::Tensor convolution(int i, const Convolutional& conv, const at::Tensor& m,
                                         bool wanted, const Sink& sink) const {
      const int from = net.graph_[i].inputs.front();
      const auto& weight = net.folded(i);
      const auto delta = x.of(from) - reference.of(from);
      const auto images = delta.size(0);
      if (images == 1) {
        const auto [input, sums] = convolve_backward(m, delta, weight, conv, wanted, true);
        sink(sums);
        return input;
      }
      for (std::int64_t n = 0; n < images; ++n)
        sink(std::get<1>(convolve_backward(m.narrow(0, n, 1), delta.narrow(0, n, 1), weight, conv,
                                           false, true)));
      return wanted ? std::get<0>(convolve_backward(m, delta, weight, conv, true, false))
                    : at::Tensor{};
    }

    [[nodiscard]] at::Tensor pool(int i, const MaxPool& pool, const at::Tensor& m) const {
      const int from = net.graph_[i].inputs.front();
      return max_pool_multiplier(m, x.of(from), reference.of(from), pool);
    }

    /// Δ(ab) = Δa·(b + b⁰)/2 + Δb·(a + a⁰)/2: what each factor adds, averaged over coming before
    /// and after the other.
    [[nodiscard]] std::pair<at::Tensor, at::Tensor> product(int first, int other,
                                                            const at::Tensor& m) const {
      const auto mean = [&](int i) { return (x.of(i) + reference.of(i)) * 0.5; };
      return {m * mean(other), m * mean(first)};
    }
  };

  /// [N, C, H, W] of a layer's output, N that of the multipliers.
  [[nodiscard]] std::array<std::int64_t, 4> shape_of(int index, const at::Tensor& m) const {
    const auto& s = graph_.shape(index);
    return {m.size(0), s.channels, s.height, s.width};
  }

  Graph graph_;
  std::vector<FoldedConvolution> layers_;  // by graph index; empty but for convolutions
};

}  // namespace serpette
