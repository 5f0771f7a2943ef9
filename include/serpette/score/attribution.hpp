#pragma once

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/leaky_relu.h>
#include <ATen/ops/upsample_nearest2d.h>
#include <ATen/ops/upsample_nearest2d_backward.h>
#include <ATen/ops/zeros_like.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "serpette/core/convolve.hpp"
#include "serpette/core/graph.hpp"
#include "serpette/core/layer_view.hpp"
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
  /// Outputs of every layer for some images. ReLU and logistic layers keep their inputs besides.
  struct Activations {
    at::Tensor images;
    std::vector<at::Tensor> output, before;

    [[nodiscard]] const at::Tensor& of(int index) const {
      return index == kImage ? images : output[static_cast<std::size_t>(index)];
    }
  };

  /// Takes a copy of the weights; the detector is read only here.
  template <class D>
  explicit Attribution(const D& detector)
      : graph_(detector.graph()), layers_(graph_.layers.size()) {
    const at::NoGradGuard no_grad;
    for (const int i : graph_.convolutions()) {
      const LayerParameters p = detector.layer(i);
      auto weight = p.weight.detach(), bias = p.bias.defined() ? p.bias.detach() : p.bias;
      if (p.gamma.defined()) {
        const auto scale = p.gamma.detach() / (p.running_var + kBatchNormEpsilon).sqrt();
        weight = weight * scale.view({-1, 1, 1, 1});
        bias = p.beta.detach() - p.running_mean * scale;
      }
      at_(i) = {weight.contiguous(at::MemoryFormat::ChannelsLast), bias};
    }
  }

  [[nodiscard]] const Graph& graph() const { return graph_; }

  /// Forward pass in evaluation mode.
  [[nodiscard]] Activations run(const at::Tensor& images) const {
    const at::NoGradGuard no_grad;
    Activations a{images.detach().contiguous(at::MemoryFormat::ChannelsLast), {}, {}};
    a.output.resize(graph_.layers.size());
    a.before.resize(graph_.layers.size());
    for (int i = 0; i < graph_.size(); ++i) a.output[static_cast<std::size_t>(i)] = forward(i, a);
    return a;
  }

  /// What every head reads, in the order of `graph().heads()`.
  [[nodiscard]] std::vector<at::Tensor> heads(const Activations& a) const {
    std::vector<at::Tensor> found;
    for (const int i : graph_.heads()) found.push_back(a.of(i));
    return found;
  }

  /// One backward pass of multipliers, from the heads to the image.
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
    const at::NoGradGuard no_grad;
    std::vector<at::Tensor> multipliers(graph_.layers.size());
    const auto heads = graph_.heads();
    for (std::size_t h = 0; h < heads.size(); ++h)
      multipliers[static_cast<std::size_t>(heads[h])] = target[h];
    auto position = graph_.convolutions().size();
    for (int i = graph_.size() - 1; i >= 0; --i) {
      if (graph_[i].as<Convolutional>()) --position;
      const auto m = std::exchange(multipliers[static_cast<std::size_t>(i)], {});
      if (!m.defined()) continue;  // no head hears this layer
      const auto give = [&](int input, const at::Tensor& part) {
        if (input == kImage) return;
        auto& sum = multipliers[static_cast<std::size_t>(input)];
        sum = sum.defined() ? sum + part : part;
      };
      backward(i, m, x, reference, give, [&](const at::Tensor& sums) { sink(position, sums); });
    }
  }

  /// The folded weight of the n-th convolution.
  [[nodiscard]] const at::Tensor& weight(std::size_t position) const {
    return layers_[static_cast<std::size_t>(graph_.convolutions()[position])].weight;
  }

 private:
  struct Folded {
    at::Tensor weight, bias;
  };

  Folded& at_(int index) { return layers_[static_cast<std::size_t>(index)]; }
  [[nodiscard]] const Folded& at_(int index) const {
    return layers_[static_cast<std::size_t>(index)];
  }

  /// f in place; the input is kept where the slope cannot be had from the output.
  static at::Tensor activate(at::Tensor y, Activation activation, at::Tensor& before) {
    switch (activation) {
      case Activation::kLinear:
        return y;
      case Activation::kLeaky:
        return at::leaky_relu_(y, kLeakySlope);
      case Activation::kRelu:
        before = y;
        return y.relu();
      case Activation::kLogistic:
        before = y;
        return y.sigmoid();
    }
    return y;
  }

  [[nodiscard]] at::Tensor forward(int i, Activations& a) const {
    const auto& layer = graph_[i];
    const auto& x = a.of(layer.inputs.front());
    auto& before = a.before[static_cast<std::size_t>(i)];
    if (const auto* conv = layer.as<Convolutional>()) {
      const auto& p = at_(i);
      return activate(convolve(x, p.weight, p.bias, *conv), conv->activation, before);
    }
    if (const auto* shortcut = layer.as<Shortcut>())
      return activate(x + a.of(layer.inputs.back()), shortcut->activation, before);
    if (const auto* route = layer.as<Route>()) {
      std::vector<at::Tensor> parts;
      for (const int input : layer.inputs) {
        const auto width = a.of(input).size(1) / route->groups;
        parts.push_back(a.of(input).narrow(1, width * route->group_id, width));
      }
      return parts.size() == 1 ? parts.front() : at::cat(parts, 1);
    }
    if (const auto* up = layer.as<Upsample>())
      return at::upsample_nearest2d(x, {x.size(2) * up->stride, x.size(3) * up->stride});
    if (const auto* pool = layer.as<MaxPool>()) return PooledMaximum::of(x, *pool).value;
    return x;  // a head passes on what it reads
  }

  /// The multiplier in front of an activation from the one behind it.
  static at::Tensor through(Activation activation, std::size_t i, const at::Tensor& m,
                            const Activations& x, const Activations& reference) {
    switch (activation) {
      case Activation::kLinear:
        return m;
      case Activation::kLeaky:
        return through_leaky(m, x.output[i], reference.output[i], kLeakySlope);
      case Activation::kRelu:
        return relu_slope(x.before[i], reference.before[i]).mul_(m);
      case Activation::kLogistic:
        return logistic_slope(x.before[i], reference.before[i]).mul_(m);
    }
    return m;
  }

  template <class Give, class Sink>
  void backward(int i, const at::Tensor& m, const Activations& x, const Activations& reference,
                const Give& give, const Sink& sink) const {
    const auto& layer = graph_[i];
    const int from = layer.inputs.front();
    const auto place = static_cast<std::size_t>(i);
    if (const auto* conv = layer.as<Convolutional>()) {
      const auto before = through(conv->activation, place, m, x, reference);
      give(from, convolution(*conv, at_(i).weight, before, x.of(from) - reference.of(from),
                             from != kImage, sink));
    } else if (const auto* shortcut = layer.as<Shortcut>()) {
      const auto before = through(shortcut->activation, place, m, x, reference);
      for (const int input : layer.inputs) give(input, before);
    } else if (const auto* route = layer.as<Route>()) {
      std::int64_t channel = 0;
      for (const int input : layer.inputs) {
        const auto& whole = x.of(input);
        const auto width = whole.size(1) / route->groups;
        auto part = m.narrow(1, channel, width);
        if (route->groups > 1) {
          auto spread = at::zeros_like(whole);
          spread.narrow(1, width * route->group_id, width).copy_(part);
          part = spread;
        }
        give(input, part);
        channel += width;
      }
    } else if (const auto* up = layer.as<Upsample>()) {
      const auto& in = x.of(from);
      give(from, at::upsample_nearest2d_backward(
                     m, {in.size(2) * up->stride, in.size(3) * up->stride}, in.sizes()));
    } else if (const auto* pool = layer.as<MaxPool>()) {
      give(from, max_pool_multiplier(m, x.of(from), reference.of(from), *pool));
    } else {
      give(from, m);
    }
  }

  /// Sums of each image's weights to the sink, and the multiplier of the input (undefined unless
  /// `wanted`).
  template <class Sink>
  static at::Tensor convolution(const Convolutional& conv, const at::Tensor& weight,
                                const at::Tensor& m, const at::Tensor& delta, bool wanted,
                                const Sink& sink) {
    const auto images = delta.size(0);
    if (images == 1) {
      const auto [input, sums] = convolve_backward(m, delta, weight, conv, wanted, true);
      sink(sums);
      return input;
    }
    for (std::int64_t n = 0; n < images; ++n)
      sink(std::get<1>(convolve_backward(m.narrow(0, n, 1), delta.narrow(0, n, 1), weight,
                                                 conv, false, true)));
    return wanted ? std::get<0>(convolve_backward(m, delta, weight, conv, true, false))
                  : at::Tensor{};
  }

  Graph graph_;
  std::vector<Folded> layers_;
};

}  // namespace serpette
