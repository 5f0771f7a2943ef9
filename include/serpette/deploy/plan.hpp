#pragma once

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "serpette/deploy/change_layout.hpp"
#include "serpette/deploy/choices.hpp"
#include "serpette/deploy/choose.hpp"
#include "serpette/deploy/folded_network.hpp"
#include "serpette/deploy/form.hpp"
#include "serpette/deploy/form_list.hpp"
#include "serpette/deploy/forms/direct.hpp"
#include "serpette/deploy/forms/libtorch.hpp"
#include "serpette/deploy/forms/sparse.hpp"
#include "serpette/deploy/forms/winograd.hpp"
#include "serpette/deploy/workspace.hpp"
#include "serpette/graph/execute.hpp"
#include "serpette/graph/graph.hpp"
#include "serpette/graph/layer_parameters.hpp"
#include "serpette/nn/frozen.hpp"

namespace serpette::deploy {

struct PlanOptions {
  /// Time the forms that the model of the machine cannot tell apart (a plan then depends on the
  /// machine, and its outputs in their last bits); otherwise the model alone decides.
  bool measure = true;
  int repeats = 3;  ///< Timings per form at least, of which the best counts.
  /// Forms that are given, not chosen; empty, or one for every convolution that is left.
  Choices choices = {};
};

/// A pruned network made fast on the CPU: batch norm folded, bias, activation and residual addition
/// fused into the convolutions, silent filters cut out, and every convolution in the form that is
/// fastest at its sparsity. Buffers are laid out once. A snapshot: later changes of the detector do
/// not show.
///
/// The outputs are the network's in evaluation mode, up to rounding (1e-4 relative). One forward at
/// a time: a plan owns its buffers. It uses LibTorch's threads; outputs do not depend on their
/// number.
/// @tparam Forms  that the convolutions may have; each layer needs one that fits.
template <Form... Forms>
class PlanOf {
 public:
  explicit PlanOf(const FoldedNetwork& network, const PlanOptions& options = {})
      : graph_(network.graph()) {
    const at::NoGradGuard no_grad;
    std::vector<FoldedLayer> layers;
    for (const int i : graph_.convolutions()) layers.push_back(folded(i, network.layer(i)));
    const Assignment assignment(graph_,
                                options.choices.empty()
                                    ? List::costs(layers, options.measure, options.repeats)
                                    : std::vector<std::vector<double>>(),
                                {Forms::layout...});
    const auto forms = options.choices.empty() ? assignment.best() : given(layers, options.choices);
    layouts_ = assignment.layouts(forms);
    const auto convolutions = graph_.convolutions();
    bool is_libtorch = true;
    for (std::size_t c = 0; c < forms.size(); ++c) {
      const auto name = List::kNames[forms[c]];
      is_libtorch = is_libtorch && name == LibTorchForm::name;
      choices_.push_back({graph_[convolutions[c]].name, std::string(name), layers[c].density()});
    }
    if (is_libtorch) {  // which also knows batches
      frozen_.emplace(network);
      return;
    }
    steps_.resize(graph_.layers.size());
    for (std::size_t c = 0; c < forms.size(); ++c) {
      const auto i = static_cast<std::size_t>(convolutions[c]);
      steps_[i].emplace(
          Step{List::prepare(forms[c], layers[c]),
               static_cast<float>(slope_of(graph_.convolution(convolutions[c]).activation))});
    }
    lay_out();
  }

  /// The graph as it runs: without batch norm and silent filters.
  [[nodiscard]] const Graph& graph() const { return graph_; }

  /// Per convolution, in the order of `graph_.convolutions()`. `write_choices` makes text of them.
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
  using List = FormList<Forms...>;
  using Prepared = typename List::Prepared;

  struct Step {
    Prepared prepared;
    float slope;
  };

  [[nodiscard]] FoldedLayer folded(int i, const LayerParameters& p) const {
    FoldedLayer layer{graph_.convolution(i), graph_.shape(graph_[i].inputs.front()),
                      graph_.shape(i), p.weight, p.bias};
    if (!is_piecewise_linear(layer.settings.activation))
      layer.settings.activation = Activation::kLinear;  // and LibTorch's behind it
    const auto left = p.weight.ne(0);
    layer.weights_left = left.count_nonzero().item<std::int64_t>();
    layer.kernels_left = left.flatten(2).any(2).count_nonzero().item<std::int64_t>();
    return layer;
  }

  [[nodiscard]] std::vector<std::size_t> given(const std::vector<FoldedLayer>& layers,
                                               const Choices& choices) const {
    std::vector<std::size_t> forms;
    const auto convolutions = graph_.convolutions();
    for (std::size_t c = 0; c < layers.size(); ++c) {
      const auto& name = graph_[convolutions[c]].name;
      const auto found = choices.find(name);
      require(found != choices.end(), "choices", "should name a form for {}", name);
      const auto form = static_cast<std::size_t>(
          std::find(List::kNames.begin(), List::kNames.end(), found->second) -
          List::kNames.begin());
      require(List::fits(form, layers[c]), "choices",
              "{} cannot be '{}': there is no such form, or it does not fit", name, found->second);
      forms.push_back(form);
    }
    return forms;
  }

  [[nodiscard]] const Step& step(int i) const { return *steps_[static_cast<std::size_t>(i)]; }
  [[nodiscard]] Layout layout(int i) const {
    return i == kImage ? Layout::kPlanes : layouts_[static_cast<std::size_t>(i)];
  }
  [[nodiscard]] const Shortcut& shortcut(int i) const {
    return std::get<Shortcut>(graph_[i].operation);
  }

  /// Finds the shortcuts that a convolution can finish, and places every output that we write
  /// ourselves.
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
      if (!graph_[last].as<Convolutional>() || !List::kAddsResidual[step(last).prepared.index()])
        continue;
      if (!is_piecewise_linear(graph_.convolution(last).activation) ||
          !is_piecewise_linear(shortcut(i).activation))
        continue;
      add_to_[static_cast<std::size_t>(last)] = i;
      finished_[static_cast<std::size_t>(i)] = true;
      layouts_[static_cast<std::size_t>(i)] = layout(last);
    }
    place_outputs();
  }

  /// Gives every output that we write its memory, and every change of layout.
  void place_outputs() {
    const auto n = graph_.layers.size();
    struct Use {
      int first = -1, last = -1;  // the turns in which it is read
    };
    std::vector<Use> uses(2 * (n + 1));
    const auto read = [&](int j, Layout wanted, int turn) {
      auto& [first, last] = uses[place(j, wanted)];
      first = first < 0 ? turn : std::min(first, turn);
      last = std::max(last, turn);
    };
    for (int i = 0; i < graph_.size(); ++i) {
      const auto& inputs = graph_[i].inputs;
      if (finished_[static_cast<std::size_t>(i)]) {  // in the turn of the later input
        const auto [other, last] = std::minmax(inputs[0], inputs[1]);
        read(other, layout(i), last);
        continue;
      }
      for (const int j : inputs) read(j, graph_[i].as<Yolo>() ? layout(j) : layout(i), i);
    }
    // What hands on its input's memory is read where its readers read.
    std::vector<int> last_read(n);
    for (int i = graph_.size(); i-- > 0;) {
      auto& mine = last_read[static_cast<std::size_t>(i)];
      for (const auto wanted : {Layout::kPlanes, Layout::kChannelsLast})
        mine = std::max(mine, uses[place(i, wanted)].last);
      const bool hands_on = visit(
          graph_[i],
          [](const OneOf<Convolutional, Shortcut, Upsample, MaxPool, Product,
                         GlobalAverage> auto&) { return false; },
          [&](const Route&) { return graph_[i].inputs.size() == 1; },
          [](const Yolo&) { return true; });
      const int from = graph_[i].inputs.front();
      if (hands_on && from != kImage) read(from, layout(from), mine);
    }

    std::vector<std::pair<Lifetime, at::Tensor*>> lives;
    outputs_.assign(n, {});
    changed_.assign(2 * (n + 1), {});
    for (int i = 0; i < graph_.size(); ++i) {
      const bool is_ours = visit(
          graph_[i],
          [&](const Convolutional&) { return !List::kAllocates[step(i).prepared.index()]; },
          [](const OneOf<Shortcut, Upsample> auto&) { return true; },
          [&](const Route&) { return graph_[i].inputs.size() > 1; },
          [](const OneOf<MaxPool, Yolo, Product, GlobalAverage> auto&) { return false; });
      if (!is_ours || finished_[static_cast<std::size_t>(i)]) continue;
      const int sum = add_to_[static_cast<std::size_t>(i)], target = sum >= 0 ? sum : i;
      lives.emplace_back(Lifetime{graph_.shape(target), layout(target), i,
                                  std::max(i, last_read[static_cast<std::size_t>(target)])},
                         &outputs_[static_cast<std::size_t>(target)]);
    }
    for (int j = kImage; j < graph_.size(); ++j)
      for (const auto wanted : {Layout::kPlanes, Layout::kChannelsLast}) {
        const auto [first, last] = uses[place(j, wanted)];
        const bool is_part = j != kImage && graph_[j].as<Route>() && graph_[j].inputs.size() == 1;
        if (first >= 0 && (wanted != layout(j) || is_part))
          lives.emplace_back(Lifetime{graph_.shape(j), wanted, first, last},
                             &changed_[place(j, wanted)]);
      }
    std::stable_sort(lives.begin(), lives.end(),
                     [](const auto& a, const auto& b) { return a.first.from < b.first.from; });
    std::vector<Lifetime> lifetimes;
    for (const auto& [life, to] : lives) lifetimes.push_back(life);
    auto found = buffers(lifetimes);
    for (std::size_t k = 0; k < lives.size(); ++k) *lives[k].second = std::move(found[k]);
  }

  /// Where a layer's output in one of the layouts stands in lists of both.
  static std::size_t place(int layer, Layout layout) {
    return 2 * static_cast<std::size_t>(layer + 1) + (layout == Layout::kChannelsLast ? 1 : 0);
  }

  /// Outputs of the layers so far, in the layout they have and, once somebody asks, in the other.
  struct Outputs {
    const PlanOf& plan;
    Trace now;
    std::vector<bool> is_changed;  // by place

    const at::Tensor& in(int i, Layout wanted) {
      const at::Tensor& t = now.of(i);
      if (t.is_contiguous(memory_format(wanted))) return t;
      const auto where = place(i, wanted);
      const at::Tensor& other = plan.changed_[where];
      if (!is_changed[where]) change_layout(t, other);
      is_changed[where] = true;
      return other;
    }
  };

  /// How one image passes the layers: into the workspace, convolutions each in its form.
  struct Rules : LayerRules {
    const PlanOf& plan;
    Outputs& outputs;

    [[nodiscard]] at::Tensor into(int i) const {
      return plan.outputs_[static_cast<std::size_t>(i)];
    }

    [[nodiscard]] at::Tensor convolution(int i, const Convolutional& conv,
                                         const at::Tensor& x) const {
      const Step& step = plan.step(i);
      const int sum = plan.add_to_[static_cast<std::size_t>(i)];
      Finish finish{.slope = step.slope};
      if (sum >= 0) {
        const auto& inputs = plan.graph_[sum].inputs;
        const at::Tensor& residual = outputs.in(std::min(inputs[0], inputs[1]), plan.layout(i));
        finish.residual = residual.const_data_ptr<float>();
        finish.residual_slope = static_cast<float>(slope_of(plan.shortcut(sum).activation));
      }
      const auto y = List::run(step.prepared, {x, into(sum < 0 ? i : sum), finish});
      return is_piecewise_linear(conv.activation) ? y
                                                  : serpette::detail::activate_(y, conv.activation);
    }
  };

  void run_image(const at::Tensor& image, std::vector<at::Tensor>& heads, std::int64_t n) {
    Outputs outputs{*this,
                    {image, std::vector<at::Tensor>(graph_.layers.size())},
                    std::vector<bool>(changed_.size())};
    const Rules rules{{}, *this, outputs};
    std::size_t head = 0;
    for (int i = 0; i < graph_.size(); ++i) {
      const auto& inputs = graph_[i].inputs;
      if (graph_[i].as<Yolo>())  // now: its buffer may serve a later layer
        heads[head++].select(0, n).copy_(outputs.now.of(inputs.front()).squeeze(0));
      outputs.now.output[static_cast<std::size_t>(i)] =
          finished_[static_cast<std::size_t>(i)]  // by the later of its inputs
              ? outputs.now.of(std::max(inputs[0], inputs[1]))
              : run_layer(
                    graph_, i, [&](int j) -> const at::Tensor& { return outputs.in(j, layout(i)); },
                    rules);
    }
  }

  Graph graph_;
  std::vector<std::optional<Step>> steps_;  // by graph index: the convolutions
  std::vector<Layout> layouts_;             // by graph index, of the outputs
  std::vector<int> add_to_;     // per convolution the shortcut that it finishes; −1: none
  std::vector<bool> finished_;  // those shortcuts
  std::vector<LayerChoice> choices_;
  std::vector<at::Tensor> outputs_;      // by graph index: buffers for what we write
  std::vector<at::Tensor> changed_;      // by place: buffers for changes of layout
  std::optional<FrozenNetwork> frozen_;  // where LibTorch computes every layer
};

/// The forms that serpette has.
using Plan = PlanOf<WinogradForm, DirectForm, LibTorchForm, WeightsForm, KernelsForm>;

/// The deployment plan of a detector as it is: its masked weights are zeros, which is all that a
/// plan looks at.
/// @tparam P        a PlanOf with forms of one's own.
/// @param detector  offers `graph()` and `layer(i)`, as every Detector does.
/// Cost  a copy of the weights, and with `measure` some forward passes of the layers in doubt.
template <class P = Plan, class Network>
  requires requires(const Network& network, int i) {
    { network.graph() } -> std::convertible_to<const Graph&>;
    { network.layer(i) } -> std::convertible_to<LayerParameters>;
  }
P make_plan(const Network& detector, const PlanOptions& options = {}) {
  const at::NoGradGuard no_grad;
  return P(FoldedNetwork(detector), options);
}

/// What a study times and ships on the CPU: a plan as a function of images.
/// @return  images [N, C, H, W] → raw logits of every head; copies share the plan.
template <class Network>
auto deploy_plan(const Network& detector) {
  auto plan = std::make_shared<Plan>(make_plan(detector));
  return [plan](const at::Tensor& images) { return plan->forward(images); };
}

}  // namespace serpette::deploy
