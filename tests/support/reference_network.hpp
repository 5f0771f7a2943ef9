#pragma once

/// @file
/// A network from graph and parameters in the plainest LibTorch: the independent answer that
/// compaction and deployment are compared with.

#include "serpette/torch/nn.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "serpette/core/seed.hpp"
#include "serpette/graph/apply_mask.hpp"
#include "serpette/graph/compaction.hpp"
#include "serpette/graph/graph.hpp"
#include "serpette/graph/layer_parameters.hpp"
#include "support/plain_network.hpp"

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
      if (graph_.convolution(index).batch_normalize) {
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
    return parameters_[static_cast<std::size_t>(std::ranges::find(convolutions, index) -
                                                convolutions.begin())];
  }
  [[nodiscard]] const std::vector<LayerParameters>& parameters() const { return parameters_; }

  [[nodiscard]] ReferenceNetwork clone() const {
    auto copy = parameters_;
    for (auto& p : copy)
      for (const auto& part : kLayerTensors)
        if (auto& t = p.*part.member; t.defined()) t = t.clone();
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
    return heads_of(graph_, plain_outputs(graph_, parameters_, images));
  }

 private:
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

}  // namespace serpette::test
