#pragma once

/// @internal The program of torchscript/write_torchscript.hpp.

/// @file
/// The layers of a graph as the text of a TorchScript function. No LibTorch.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "serpette/graph/graph.hpp"

namespace serpette::detail {

/// Writes `forward`: a line per layer, which assigns to the layer's name. The tensors of a
/// convolution are the module's, `conv_7_weight` and so on, by the names of `kLayerTensors`.
class TorchScriptSource {
 public:
  explicit TorchScriptSource(const Graph& graph) : graph_(graph) {}

  [[nodiscard]] std::string text() {
    text_ = "def forward(self, images: Tensor) -> List[Tensor]:\n";
    std::vector<std::string> heads;
    for (int i = 0; i < graph_.size(); ++i)
      fmt::format_to(std::back_inserter(text_), "    {} = {}\n", name(i), value(i));
    for (const int i : graph_.heads()) heads.push_back(name(i));
    return text_ + fmt::format("    return [{}]\n", fmt::join(heads, ", "));
  }

 private:
  [[nodiscard]] std::string name(int i) const { return i == kImage ? "images" : graph_[i].name; }

  [[nodiscard]] std::string value(int i) const {
    const Layer& layer = graph_[i];
    const auto x = name(layer.inputs.front());
    return visit(
        layer,
        [&](const Convolutional& c) { return activated(c.activation, convolution(i, c, x)); },
        [&](const Shortcut& s) { return activated(s.activation, sum(layer, x)); },
        [&](const Route& route) {
          std::vector<std::string> parts;
          for (const int j : layer.inputs) {
            const auto [first, count] = route.taken(graph_.shape(j).channels);
            parts.push_back(route.groups == 1 ? name(j) : narrowed(name(j), first, count));
          }
          return parts.size() == 1 ? parts.front()
                                   : fmt::format("torch.cat([{}], 1)", fmt::join(parts, ", "));
        },
        [&](const Upsample&) {
          return fmt::format("torch.upsample_nearest2d({}, [{}, {}])", x, layer.output.height,
                             layer.output.width);
        },
        [&](const MaxPool& pool) {
          const int before = pool.padding / 2, after = pool.padding - before;
          const auto padded =
              pool.padding == 0
                  ? x
                  : fmt::format("torch.constant_pad_nd({}, [{}, {}, {}, {}], float('-inf'))", x,
                                before, after, before, after);
          return fmt::format("torch.max_pool2d({}, [{}, {}], [{}, {}])", padded, pool.size,
                             pool.size, pool.stride, pool.stride);
        },
        [&](const Product&) { return fmt::format("{} * {}", name(layer.inputs.back()), x); },
        [&](const GlobalAverage&) { return fmt::format("torch.mean({}, [2, 3], True)", x); },
        [&](const Yolo&) { return x; });
  }

  [[nodiscard]] std::string convolution(int i, const Convolutional& c, const std::string& x) const {
    const auto own = [&](std::string_view part) {
      return fmt::format("self.{}_{}", graph_[i].name, part);
    };
    const auto y = fmt::format("torch.conv2d({}, {}, {}, [{}, {}], [{}, {}], [1, 1], {})", x,
                               own("weight"), c.batch_normalize ? "None" : own("bias"), c.stride,
                               c.stride, c.padding, c.padding, c.groups);
    if (!c.batch_normalize) return y;
    return fmt::format("torch.batch_norm({}, {}, {}, {}, {}, False, 0.0, {}, False)", y,
                       own("gamma"), own("beta"), own("running_mean"), own("running_var"),
                       kBatchNormEpsilon);
  }

  [[nodiscard]] std::string sum(const Layer& layer, const std::string& x) const {
    const auto y = name(layer.inputs.back());
    const int mine = graph_.shape(layer.inputs.front()).channels,
              theirs = graph_.shape(layer.inputs.back()).channels;
    if (theirs > mine) return fmt::format("{} + {}", x, narrowed(y, 0, mine));
    if (theirs < mine)
      return fmt::format("{} + torch.constant_pad_nd({}, [0, 0, 0, 0, 0, {}])", x, y,
                         mine - theirs);
    return fmt::format("{} + {}", x, y);
  }

  static std::string narrowed(const std::string& x, int first, int count) {
    return fmt::format("torch.narrow({}, 1, {}, {})", x, first, count);
  }

  static std::string activated(Activation activation, const std::string& x) {
    switch (activation) {
      case Activation::kLinear:
        break;
      case Activation::kLeaky:
        return fmt::format("torch.leaky_relu({}, {})", x, kLeakySlope);
      case Activation::kRelu:
        return fmt::format("torch.relu({})", x);
      case Activation::kLogistic:
        return fmt::format("torch.sigmoid({})", x);
      case Activation::kMish:
        return fmt::format("torch.mish({})", x);
      case Activation::kSwish:
        return fmt::format("torch.silu({})", x);
    }
    return x;
  }

  const Graph& graph_;
  std::string text_;
};

}  // namespace serpette::detail
