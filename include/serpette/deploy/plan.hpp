#pragma once

#include <ATen/core/grad_mode.h>
#include <ATen/ops/add.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/upsample_nearest2d.h>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "serpette/deploy/folded_network.hpp"
#include "serpette/deploy/planned_convolution.hpp"
#include "serpette/deploy/workspace.hpp"
#include "serpette/graph/execute.hpp"
#include "serpette/nn/frozen.hpp"

namespace serpette::deploy {

/// What a plan chose for one convolution.
struct LayerChoice {
  std::string name;  ///< As in the graph.
  Form form;
  double density = 1;  ///< Nonzero weights ÷ weights, of the filters that are left.
};

/// A pruned network made fast on the CPU: batch norm folded, bias, activation and residual addition
/// fused into the convolutions, silent filters cut out, and every convolution in the form that is
/// fastest at its sparsity. Buffers are laid out once. A snapshot: later changes of the detector do
/// not show.
///
/// The outputs are the network's in evaluation mode, up to rounding (1e-4 relative). One forward at
/// a time: a plan owns its buffers. It uses LibTorch's threads; outputs do not depend on their
/// number.
class Plan {
 public:
  explicit Plan(const FoldedNetwork& network, const PlanOptions& options = {})
      : graph_(network.graph()) {
    const at::NoGradGuard no_grad;
    steps_.resize(graph_.layers.size());
    for (const int i : graph_.convolutions()) {
      const auto& chosen =
          steps_[static_cast<std::size_t>(i)].emplace(graph_, i, network.layer(i), options);
      choices_.push_back({graph_[i].name, chosen.form(), chosen.density()});
    }
    const auto is_dense = [](const LayerChoice& c) { return c.form == Form::kDense; };
    if (std::all_of(choices_.begin(), choices_.end(), is_dense)) {
      frozen_.emplace(network);
      return;
    }
    lay_out();
    prefer_dense_if_faster(network, options);
  }

  /// The graph as it runs: without batch norm and silent filters.
  [[nodiscard]] const Graph& graph() const { return graph_; }

  /// Per convolution, in the order of `graph_.convolutions()`.
  [[nodiscard]] const std::vector<LayerChoice>& choices() const { return choices_; }

  /// Raw logits of every head [N, A·(5 + C), h, w].
  /// @param images  [N, C, H, W] float on the CPU, like the graph's input; computed one by one.
  /// @throws Error  if they have another shape, type or device.
  [[nodiscard]] std::vector<at::Tensor> forward(const at::Tensor& images) {
    const at::NoGradGuard no_grad;
    require_images(graph_, images);
    require(images.is_cpu() && images.scalar_type() == at::kFloat, "images",
            "should be float on the CPU, got {} on {}", c10::toString(images.scalar_type()),
            images.device().str());
    if (frozen_) return frozen_->forward(images);
    std::vector<at::Tensor> heads;
    for (const int i : graph_.heads()) {
      const auto& s = graph_.shape(i);
      heads.push_back(at::empty({images.size(0), s.channels, s.height, s.width}));
    }
    for (std::int64_t n = 0; n < images.size(0); ++n)
      run_image(images.narrow(0, n, 1).contiguous(), heads, n);
    return heads;
  }

 private:
  [[nodiscard]] const PlannedConvolution& step(int i) const {
    return *steps_[static_cast<std::size_t>(i)];
  }

  /// Layers looked at alone do not tell all: mixed forms pay for changes of layout between them.
  [[nodiscard]] bool is_faster_than(const FrozenNetwork& frozen, const PlanOptions& options) {
    double mixed = 0, dense = 0;
    for (const int i : graph_.convolutions()) {
      const PlannedConvolution& c = step(i);
      dense += c.dense_cost();
      if (c.form() == Form::kDense)
        mixed += kLayoutChange * c.dense_cost();
      else if (!options.measure)
        mixed += c.cost();  // to be measured: nothing, until there is no hope
    }
    if (mixed >= dense) return false;
    if (!options.measure) return true;
    const auto& in = graph_.input;
    const auto images = at::ones({1, in.channels, in.height, in.width});
    return detail::is_faster([&] { (void)forward(images); }, [&] { (void)frozen.forward(images); },
                             options.repeats);
  }

  void prefer_dense_if_faster(const FoldedNetwork& network, const PlanOptions& options) {
    FrozenNetwork frozen(network);
    if (is_faster_than(frozen, options)) return;
    for (auto& choice : choices_) choice.form = Form::kDense;
    frozen_.emplace(std::move(frozen));
    steps_.clear();
    workspace_ = {};
  }

  /// Finds the shortcuts that a sparse convolution can finish, and places every output that we
  /// write ourselves.
  void lay_out() {
    std::vector<int> readers(graph_.layers.size(), 0);
    for (const Layer& layer : graph_.layers)
      for (const int j : layer.inputs)
        if (j != kImage) ++readers[static_cast<std::size_t>(j)];
    finished_.assign(graph_.layers.size(), false);
    add_to_.assign(graph_.layers.size(), -1);
    for (const int i : graph_.all<Shortcut>()) {
      const auto& inputs = graph_[i].inputs;
      if (inputs.size() != 2 || graph_[i].as<Shortcut>()->activation == Activation::kLogistic)
        continue;
      const int last = std::max(inputs[0], inputs[1]), other = std::min(inputs[0], inputs[1]);
      if (last == other || last == kImage || readers[static_cast<std::size_t>(last)] != 1) continue;
      if (!graph_[last].as<Convolutional>() || step(last).form() == Form::kDense) continue;
      if (step(last).settings().activation == Activation::kLogistic) continue;
      add_to_[static_cast<std::size_t>(last)] = i;
      finished_[static_cast<std::size_t>(i)] = true;
    }
    std::vector<int> writes(graph_.layers.size(), -1);  // the output each layer's step fills
    for (int i = 0; i < graph_.size(); ++i) {
      const bool is_ours = (graph_[i].as<Convolutional>() && step(i).form() != Form::kDense) ||
                           graph_[i].as<Shortcut>() || graph_[i].as<Upsample>() ||
                           (graph_[i].as<Route>() && graph_[i].inputs.size() > 1);
      if (!is_ours || finished_[static_cast<std::size_t>(i)]) continue;
      const int target = add_to_[static_cast<std::size_t>(i)];
      writes[static_cast<std::size_t>(i)] = target >= 0 ? target : i;
    }
    workspace_ = Workspace(graph_, writes);
  }

  void run_image(const at::Tensor& image, std::vector<at::Tensor>& heads, std::int64_t n) {
    std::vector<at::Tensor> outputs(graph_.layers.size());
    const auto of = [&](int i) -> const at::Tensor& {
      return i == kImage ? image : outputs[static_cast<std::size_t>(i)];
    };
    std::size_t head = 0;
    for (int i = 0; i < graph_.size(); ++i) {
      if (finished_[static_cast<std::size_t>(i)]) continue;
      const Layer& layer = graph_[i];
      const auto& x = of(layer.inputs.front());
      at::Tensor y = workspace_.buffer(i);
      int target = i;
      if (layer.as<Convolutional>()) {
        const int sum = add_to_[static_cast<std::size_t>(i)];
        if (step(i).form() == Form::kDense) {
          y = step(i).dense(x);
        } else if (sum < 0) {
          step(i).sparse(x, y);
        } else {
          target = sum;
          y = workspace_.buffer(sum);
          const auto& inputs = graph_[sum].inputs;
          step(i).sparse(x, y, of(std::min(inputs[0], inputs[1])).const_data_ptr<float>(),
                         graph_[sum].as<Shortcut>()->activation);
        }
      } else if (const auto* shortcut = layer.as<Shortcut>()) {
        at::add_out(y, x, of(layer.inputs.back()));
        serpette::detail::activate_(y, shortcut->activation);
      } else if (const auto* route = layer.as<Route>()) {
        std::vector<at::Tensor> parts;
        for (const int j : layer.inputs) {
          const auto channels = of(j).size(1) / route->groups;
          parts.push_back(of(j).narrow(1, channels * route->group_id, channels));
        }
        if (parts.size() > 1)
          at::cat_out(y, parts, 1);
        else
          y = parts.front();
      } else if (const auto* up = layer.as<Upsample>()) {
        at::upsample_nearest2d_out(y, x, {x.size(2) * up->stride, x.size(3) * up->stride});
      } else if (const auto* pool = layer.as<MaxPool>()) {
        y = serpette::detail::max_pool(x, *pool, layer.output);
      } else {
        heads[head++].select(0, n).copy_(x.squeeze(0));
        y = x;
      }
      outputs[static_cast<std::size_t>(target)] = std::move(y);
    }
  }

  // Time of a dense layer among others that want its input and output in rows ÷ among its like.
  static constexpr double kLayoutChange = 1.3;

  Graph graph_;
  std::vector<std::optional<PlannedConvolution>> steps_;  // by graph index: the convolutions
  std::vector<int> add_to_;     // per convolution the shortcut that it finishes; −1: none
  std::vector<bool> finished_;  // those shortcuts
  std::vector<LayerChoice> choices_;
  Workspace workspace_;
  std::optional<FrozenNetwork> frozen_;  // where every layer is dense
};

/// The deployment plan of a detector as it is: its masked weights are zeros, which is all that a
/// plan looks at.
/// @param detector  offers `graph()` and `layer(i)`, as every Detector does.
/// Cost  a copy of the weights, and with `measure` some forward passes of the layers in doubt.
template <class Network>
  requires requires(const Network& network, int i) {
    { network.graph() } -> std::convertible_to<const Graph&>;
    { network.layer(i) } -> std::convertible_to<LayerParameters>;
  }
Plan make_plan(const Network& detector, const PlanOptions& options = {}) {
  const at::NoGradGuard no_grad;
  return Plan(FoldedNetwork(detector), options);
}

}  // namespace serpette::deploy
