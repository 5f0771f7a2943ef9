#pragma once

/// @file
/// A network from graph and parameters in the plainest LibTorch: the independent answer that
/// compaction and deployment are compared with. And random graphs to compare on.

#include <torch/torch.h>

#include <string>
#include <utility>
#include <vector>

#include "serpette/core/apply_mask.hpp"
#include "serpette/core/compaction.hpp"
#include "serpette/core/graph.hpp"
#include "serpette/core/layer_view.hpp"
#include "serpette/core/seed.hpp"
#include "serpette/model/cfg.hpp"

namespace serpette::test {

/// Graph and tensors; evaluation mode, no gradients.
class ReferenceNetwork {
 public:
  /// Random weights, batch norm statistics and biases. Scales are such that activations stay of
  /// order 1.
  ReferenceNetwork(Graph graph, Seed seed) : graph_(std::move(graph)) {
    Generator rng(seed);
    const auto normal = [&](at::IntArrayRef shape) { return at::randn(shape, rng.torch()); };
    for (const int index : graph_.convolutions()) {
      const auto shape = weight_shape(graph_, index);
      LayerParameters p;
      p.weight = normal(shape) / std::sqrt(double(shape[1] * shape[2] * shape[3]));
      if (graph_[index].as<Convolutional>()->batch_normalize) {
        p.gamma = normal({shape[0]}) * 0.3 + 1;
        p.beta = normal({shape[0]}) * 0.3;
        p.running_mean = normal({shape[0]}) * 0.3;
        p.running_var = normal({shape[0]}).square() + 0.5;
      } else {
        p.bias = normal({shape[0]}) * 0.3;
      }
      parameters_.push_back(p);
    }
  }
  ReferenceNetwork(Graph graph, std::vector<LayerParameters> parameters)
      : graph_(std::move(graph)), parameters_(std::move(parameters)) {}

  [[nodiscard]] const Graph& graph() const { return graph_; }
  [[nodiscard]] LayerParameters layer(int index) const {
    const auto convolutions = graph_.convolutions();
    return parameters_[static_cast<std::size_t>(
        std::find(convolutions.begin(), convolutions.end(), index) - convolutions.begin())];
  }
  [[nodiscard]] const std::vector<LayerParameters>& parameters() const { return parameters_; }

  [[nodiscard]] ReferenceNetwork clone() const {
    auto copy = parameters_;
    for (auto& p : copy)
      for (auto* t : {&p.weight, &p.bias, &p.gamma, &p.beta, &p.running_mean, &p.running_var})
        if (t->defined()) *t = t->clone();
    return {graph_, copy};
  }

  [[nodiscard]] ReferenceNetwork masked(const Mask& mask) const {
    auto copy = clone();
    for (std::size_t i = 0; i < mask.size(); ++i) apply_mask(mask[i], copy.parameters_[i]);
    return copy;
  }

  [[nodiscard]] ReferenceNetwork compacted(const Compaction& plan) const {
    auto copy = parameters_;
    for (std::size_t i = 0; i < copy.size(); ++i) {
      const auto filters = torch::tensor(plan.convolutions[i].filters),
                 inputs = torch::tensor(plan.convolutions[i].inputs);
      auto& p = copy[i];
      p.weight = p.weight.index_select(0, filters).index_select(1, inputs);
      for (auto* t : {&p.bias, &p.gamma, &p.beta, &p.running_mean, &p.running_var})
        if (t->defined()) *t = t->index_select(0, filters);
    }
    return {plan.graph, copy};
  }

  /// Inputs of the yolo layers.
  [[nodiscard]] std::vector<at::Tensor> forward(const at::Tensor& images) const {
    const at::NoGradGuard no_grad;
    std::vector<at::Tensor> outputs, heads;
    const auto of = [&](int index) {
      return index == kImage ? images : outputs[static_cast<std::size_t>(index)];
    };
    std::size_t convolution = 0;
    for (const Layer& layer : graph_.layers) {
      at::Tensor x = of(layer.inputs.front());
      if (const auto* conv = layer.as<Convolutional>()) {
        const auto& p = parameters_[convolution++];
        x = at::conv2d(x, p.weight, p.bias, conv->stride, conv->padding, 1, conv->groups);
        if (conv->batch_normalize)
          x = at::batch_norm(x, p.gamma, p.beta, p.running_mean, p.running_var, false, 0.1, 1e-5,
                             false);
        x = activate(x, conv->activation);
      } else if (const auto* shortcut = layer.as<Shortcut>()) {
        for (std::size_t i = 1; i < layer.inputs.size(); ++i) x = x + of(layer.inputs[i]);
        x = activate(x, shortcut->activation);
      } else if (const auto* route = layer.as<Route>()) {
        std::vector<at::Tensor> parts;
        for (const int i : layer.inputs)
          parts.push_back(of(i).chunk(route->groups, 1)[std::size_t(route->group_id)]);
        x = at::cat(parts, 1);
      } else if (const auto* up = layer.as<Upsample>()) {
        x = x.repeat_interleave(up->stride, 2).repeat_interleave(up->stride, 3);
      } else if (const auto* pool = layer.as<MaxPool>()) {
        const int before = pool->padding / 2, after = pool->padding - before;
        x = at::constant_pad_nd(x, {before, after, before, after}, -INFINITY);
        x = at::max_pool2d(x, pool->size, pool->stride);
      } else {
        heads.push_back(x);
      }
      outputs.push_back(x);
    }
    return heads;
  }

 private:
  static at::Tensor activate(const at::Tensor& x, Activation activation) {
    if (activation == Activation::kLeaky) return at::leaky_relu(x, kLeakySlope);
    if (activation == Activation::kRelu) return at::relu(x);
    if (activation == Activation::kLogistic) return at::sigmoid(x);
    return x;
  }

  Graph graph_;
  std::vector<LayerParameters> parameters_;  // in the order of graph.convolutions()
};

/// max |a − b| / max |b| over all heads.
inline double relative_error(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  REQUIRE(a.size() == b.size());
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    REQUIRE(a[i].sizes() == b[i].sizes());
    REQUIRE(a[i].isfinite().all().item<bool>());
    worst =
        std::max(worst, (a[i] - b[i]).abs().max().item<double>() / b[i].abs().max().item<double>());
  }
  return worst;
}

/// A network of random layers: every kind, routes whole and in parts, shortcuts over several
/// layers, grouped and depthwise convolutions, odd sizes, one or two heads.
inline Graph random_graph(Seed seed) {
  Generator rng(seed);
  const auto pick = [&](auto... values) {
    const std::vector<int> list{values...};
    return list[rng.below(list.size())];
  };
  std::string text =
      fmt::format("[net]\nwidth={}\nheight={}\nchannels=3\n", pick(16, 21, 32), pick(16, 24, 19));
  const auto graph = [&] { return parse_cfg(text, "random"); };
  const auto conv = [&](int filters, int size, int stride, int groups, std::string activation) {
    text += fmt::format(
        "[convolutional]\n{}filters={}\nsize={}\nstride={}\npad=1\ngroups={}\nactivation={}\n",
        rng.below(4) ? "batch_normalize=1\n" : "", filters, size, stride, groups, activation);
  };
  conv(8, 3, 1, 1, "leaky");
  const int layers = 6 + static_cast<int>(rng.below(14));
  const auto head = [&] {
    text +=
        "[convolutional]\nfilters=7\nsize=1\nstride=1\npad=1\nactivation=linear\n"
        "[yolo]\nmask=0\nanchors=10,14\nclasses=2\nnum=1\n";
  };
  for (int i = 0; i < layers; ++i) {
    const Graph now = graph();
    const Shape shape = now.layers.back().output;
    std::vector<int> same_shape, same_size;
    for (int l = 0; l + 1 < now.size(); ++l) {
      if (now[l].as<Yolo>()) continue;
      if (now.shape(l) == shape) same_shape.push_back(l);
      if (now.shape(l).height == shape.height && now.shape(l).width == shape.width)
        same_size.push_back(l);
    }
    switch (rng.below(9)) {
      case 0:
        conv(4 * pick(1, 2, 3), pick(1, 3), 1, 1, "leaky");
        break;
      case 1:
        conv(4 * pick(2, 3), 3, shape.height > 8 ? 2 : 1, 1, rng.below(2) ? "relu" : "linear");
        break;
      case 2:
        conv(shape.channels, 3, 1, shape.channels, "leaky");
        break;  // depthwise
      case 3:
        conv(shape.channels % 2 ? 6 : 8, pick(1, 3), 1, shape.channels % 2 ? 1 : 2, "leaky");
        break;
      case 4:
      case 5:
        if (same_shape.empty())
          conv(8, 3, 1, 1, "leaky");
        else
          text += fmt::format("[shortcut]\nfrom={}\nactivation={}\n",
                              same_shape[rng.below(same_shape.size())] - now.size(),
                              rng.below(2) ? "leaky" : "linear");
        break;
      case 6:
        if (!same_size.empty() && shape.channels < 24)
          text += fmt::format("[route]\nlayers=-1,{}\n", same_size[rng.below(same_size.size())]);
        else if (shape.channels % 2 == 0)
          text += fmt::format("[route]\nlayers=-1\ngroups=2\ngroup_id={}\n", rng.below(2));
        break;
      case 7:
        if (shape.height <= 10)
          text += "[upsample]\nstride=2\n";
        else
          text += "[maxpool]\nsize=2\nstride=2\n";
        break;
      default:
        text += fmt::format("[maxpool]\nsize={}\nstride=1\n", pick(2, 3, 5));
        break;
    }
  }
  head();
  if (rng.below(2)) {
    const Graph now = graph();
    text +=
        fmt::format("[route]\nlayers={}\n", rng.below(static_cast<std::uint64_t>(now.size() - 2)));
    conv(8, 3, 1, 1, "leaky");
    head();
  }
  return graph();
}

}  // namespace serpette::test
