#pragma once

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>

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
#include "serpette/graph/graph.hpp"
#include "serpette/graph/layer_parameters.hpp"
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
      const auto [other, last] = std::minmax(inputs[0], inputs[1]);
      if (last == other || last == kImage || readers[static_cast<std::size_t>(last)] != 1) continue;
      if (graph_.shape(last) != graph_.shape(other)) continue;
      if (!graph_[last].as<Convolutional>() || step(last).form() == Form::kDense) continue;
      if (!is_piecewise_linear(step(last).settings().activation) ||
          !is_piecewise_linear(shortcut(i).activation))
        continue;
      add_to_[static_cast<std::size_t>(last)] = i;
      finished_[static_cast<std::size_t>(i)] = true;
    }
    std::vector<int> writes(graph_.layers.size(), -1);  // the output each layer's step fills
    for (int i = 0; i < graph_.size(); ++i) {
      const bool is_ours = visit(
          graph_[i], [&](const Convolutional&) { return step(i).form() != Form::kDense; },
          [](const OneOf<Shortcut, Upsample> auto&) { return true; },
          [&](const Route&) { return graph_[i].inputs.size() > 1; },
          [](const OneOf<MaxPool, Yolo> auto&) { return false; });
      if (!is_ours || finished_[static_cast<std::size_t>(i)]) continue;
      const int target = add_to_[static_cast<std::size_t>(i)];
      writes[static_cast<std::size_t>(i)] = target >= 0 ? target : i;
    }
    workspace_ = Workspace(graph_, writes);
  }

  /// How one image passes the layers: into the workspace, convolutions each in its form.
  struct Rules : LayerRules {
    const Plan& plan;
    const Trace& now;

    [[nodiscard]] at::Tensor into(int i) const { return plan.workspace_.buffer(i); }

    [[nodiscard]] at::Tensor convolution(int i, const Convolutional&, const at::Tensor& x) const {
      const PlannedConvolution& step = plan.step(i);
      if (step.form() == Form::kDense) return step.dense(x);
      const int sum = plan.add_to_[static_cast<std::size_t>(i)];
      at::Tensor y = into(sum < 0 ? i : sum);
      if (sum < 0) {
        step.sparse(x, y);
      } else {
        const auto& inputs = plan.graph_[sum].inputs;
        step.sparse(x, y, now.of(std::min(inputs[0], inputs[1])).const_data_ptr<float>(),
                    plan.shortcut(sum).activation);
      }
      return y;
    }
  };

  [[nodiscard]] const Shortcut& shortcut(int i) const {
    return std::get<Shortcut>(graph_[i].operation);
  }

  void run_image(const at::Tensor& image, std::vector<at::Tensor>& heads, std::int64_t n) {
    Trace now{image, std::vector<at::Tensor>(graph_.layers.size())};
    const Rules rules{{}, *this, now};
    std::size_t head = 0;
    for (int i = 0; i < graph_.size(); ++i) {
      const auto& inputs = graph_[i].inputs;
      now.output[static_cast<std::size_t>(i)] =
          finished_[static_cast<std::size_t>(i)]  // by the later of its inputs
              ? now.of(std::max(inputs[0], inputs[1]))
              : run_layer(graph_, i, [&](int j) -> const at::Tensor& { return now.of(j); }, rules);
      if (graph_[i].as<Yolo>())  // now: its buffer may serve a later layer
        heads[head++].select(0, n).copy_(now.of(i).squeeze(0));
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
