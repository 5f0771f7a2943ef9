#pragma once

/// @internal What layers become in ONNX.

/// @file
/// The layers of a graph as ONNX nodes. No LibTorch.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "serpette/formats/onnx/model.hpp"
#include "serpette/graph/graph.hpp"

namespace serpette::onnx {

/// The numbers of one convolution, which live until the model is written: a bias, or batch norm's
/// four.
struct ConvolutionNumbers {
  std::span<const float> weight;  ///< [C_out, C_in / groups, k, k]
  std::span<const float> bias;    ///< [C_out]; empty where batch norm follows, like the rest here
  std::span<const float> gamma, beta, mean, variance;
};

namespace detail {

using Numbers = std::vector<std::int64_t>;

/// Adds the layers of a graph to a model, one by one; what a layer makes has its name.
class LayerNodes {
 public:
  LayerNodes(Model& model, const Graph& graph) : model_(model), graph_(graph) {}

  /// The value that layer `i` makes (kImage: the images).
  [[nodiscard]] std::string of(int i) const {
    return i == kImage ? std::string(kImages) : made_[static_cast<std::size_t>(i)];
  }

  /// Adds layer i, the next.
  /// @param numbers  (graph index) → ConvolutionNumbers.
  template <class NumbersOf>
  void add(int i, const NumbersOf& numbers) {
    const Layer& layer = graph_[i];
    const auto x = of(layer.inputs.front());
    made_.push_back(visit(
        layer, [&](const Convolutional& c) { return convolution(i, c, x, numbers(i)); },
        [&](const Shortcut& shortcut) { return sum(i, shortcut, x); },
        [&](const Route& route) { return concatenation(i, route); },
        [&](const Upsample& up) {
          const auto stride = static_cast<float>(up.stride);
          const std::int64_t four[] = {4};
          const float scales[] = {1, 1, stride, stride};
          return model_.node("Resize", {x, "", model_.floats(part(i, "scales"), four, scales)},
                             {layer.name},
                             {{"mode", std::string("nearest")},
                              {"coordinate_transformation_mode", std::string("asymmetric")},
                              {"nearest_mode", std::string("floor")}});
        },
        [&](const MaxPool& pool) { return maxima(i, pool, x); },
        [&](const Product&) {
          return model_.node("Mul", {x, of(layer.inputs.back())}, {layer.name});
        },
        [&](const GlobalAverage&) { return model_.node("GlobalAveragePool", {x}, {layer.name}); },
        [&](const Yolo&) { return x; }));
  }

  static constexpr std::string_view kImages = "images";

 private:
  /// The name of something inside layer i.
  [[nodiscard]] std::string part(int i, std::string_view what) const {
    return fmt::format("{}/{}", graph_[i].name, what);
  }

  std::string inner(int i, std::string_view op, const std::vector<std::string>& inputs,
                    const std::vector<Attribute>& attributes = {}) {
    return model_.node(op, inputs, {part(i, op)}, attributes);
  }

  /// The last node of layer i, and its activation behind it.
  std::string activated(int i, Activation activation, std::string_view op,
                        const std::vector<std::string>& inputs,
                        const std::vector<Attribute>& attributes = {}) {
    const std::vector<std::string> name{graph_[i].name};
    if (activation == Activation::kLinear) return model_.node(op, inputs, name, attributes);
    const auto x = inner(i, op, inputs, attributes);
    switch (activation) {
      case Activation::kLinear:
        break;
      case Activation::kLeaky:
        return model_.node("LeakyRelu", {x}, name, {{"alpha", static_cast<float>(kLeakySlope)}});
      case Activation::kRelu:
        return model_.node("Relu", {x}, name);
      case Activation::kLogistic:
        return model_.node("Sigmoid", {x}, name);
      case Activation::kMish:  // an operator of its own only from opset 18 on
        return model_.node("Mul", {x, inner(i, "Tanh", {inner(i, "Softplus", {x})})}, name);
      case Activation::kSwish:
        return model_.node("Mul", {x, inner(i, "Sigmoid", {x})}, name);
    }
    return x;
  }

  std::string convolution(int i, const Convolutional& c, const std::string& x,
                          const ConvolutionNumbers& numbers) {
    const auto shape = weight_shape(graph_, i);
    const std::int64_t filters[] = {c.filters};
    const std::int64_t size = c.size, stride = c.stride, padding = c.padding;
    std::vector<std::string> inputs{x, model_.weights(part(i, "weight"), shape, numbers.weight)};
    const auto vector = [&](std::string_view name, std::span<const float> values) {
      return model_.weights(part(i, name), filters, values);
    };
    const std::vector<Attribute> settings{{"kernel_shape", Numbers{size, size}},
                                          {"strides", Numbers{stride, stride}},
                                          {"pads", Numbers{padding, padding, padding, padding}},
                                          {"group", std::int64_t{c.groups}}};
    if (numbers.gamma.empty()) {
      inputs.push_back(vector("bias", numbers.bias));
      return activated(i, c.activation, "Conv", inputs, settings);
    }
    const auto y = inner(i, "Conv", inputs, settings);
    return activated(i, c.activation, "BatchNormalization",
                     {y, vector("gamma", numbers.gamma), vector("beta", numbers.beta),
                      vector("mean", numbers.mean), vector("variance", numbers.variance)},
                     {{"epsilon", static_cast<float>(kBatchNormEpsilon)}});
  }

  /// Channels [first, last) of a value.
  std::string channels(int i, std::string_view name, const std::string& x, std::int64_t first,
                       std::int64_t last) {
    const auto list = [&](std::string_view what, std::int64_t value) {
      const std::int64_t values[] = {value};
      return model_.integers(fmt::format("{}/{}", part(i, name), what), values);
    };
    return model_.node("Slice", {x, list("from", first), list("to", last), list("axis", 1)},
                       {part(i, name)});
  }

  std::string sum(int i, const Shortcut& shortcut, const std::string& x) {
    const int other = graph_[i].inputs.back();
    const int mine = graph_.shape(graph_[i].inputs.front()).channels,
              theirs = graph_.shape(other).channels;
    auto y = of(other);
    if (theirs > mine) y = channels(i, "shared", y, 0, mine);
    if (theirs < mine) {
      const std::int64_t pads[] = {0, 0, 0, 0, 0, mine - theirs, 0, 0};
      y = inner(i, "Pad", {y, model_.integers(part(i, "pads"), pads)});
    }
    return activated(i, shortcut.activation, "Add", {x, y});
  }

  std::string concatenation(int i, const Route& route) {
    std::vector<std::string> parts;
    for (const int j : graph_[i].inputs) {
      const auto [first, count] = route.taken(graph_.shape(j).channels);
      parts.push_back(route.groups == 1 ? of(j)
                                        : channels(i, fmt::format("part_{}", parts.size()), of(j),
                                                   first, first + count));
    }
    if (parts.size() == 1) return parts.front();
    return model_.node("Concat", parts, {graph_[i].name}, {{"axis", std::int64_t{1}}});
  }

  std::string maxima(int i, const MaxPool& pool, std::string x) {
    std::int64_t before = pool.padding / 2, after = pool.padding - before;
    if (after >= pool.size) {  // engines refuse windows of nothing but padding
      const std::int64_t pads[] = {0, 0, before, before, 0, 0, after, after};
      const float lowest[] = {-std::numeric_limits<float>::infinity()};
      x = inner(i, "Pad",
                {x, model_.integers(part(i, "pads"), pads),
                 model_.floats(part(i, "lowest"), {}, lowest)});
      before = after = 0;
    }
    const std::int64_t size = pool.size, stride = pool.stride;
    return model_.node("MaxPool", {x}, {graph_[i].name},
                       {{"kernel_shape", Numbers{size, size}},
                        {"strides", Numbers{stride, stride}},
                        {"pads", Numbers{before, before, after, after}}});
  }

  Model& model_;
  const Graph& graph_;
  std::vector<std::string> made_;  // by graph index
};

}  // namespace detail

}  // namespace serpette::onnx
