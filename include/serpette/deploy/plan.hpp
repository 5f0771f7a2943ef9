#pragma once

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <chrono>
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
#include "serpette/deploy/forms/kernels.hpp"
#include "serpette/deploy/forms/libtorch.hpp"
#include "serpette/deploy/forms/weights.hpp"
#include "serpette/deploy/forms/winograd.hpp"
#include "serpette/deploy/plan_archive.hpp"
#include "serpette/deploy/plan_memory.hpp"
#include "serpette/deploy/stored_network.hpp"
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
  /// Hand the network to LibTorch whole where LibTorch's form is best for every layer: it then
  /// computes batches at once, and layers have no times of their own.
  bool whole = true;
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
    const auto convolutions = graph_.convolutions();
    bool is_libtorch = true;
    for (std::size_t c = 0; c < forms.size(); ++c) {
      const auto name = List::kNames[forms[c]];
      is_libtorch = is_libtorch && name == LibTorchForm::name;
      choices_.push_back({graph_[convolutions[c]].name, std::string(name), layers[c].density()});
    }
    if (is_libtorch && options.whole) {
      frozen_.emplace(network);
      return;
    }
    prepare(assignment.layouts(forms),
            [&](std::size_t c) { return List::prepare(forms[c], layers[c]); });
  }

  /// Seconds that each layer takes for one image, by graph index; a shortcut that a convolution
  /// finishes takes none. Empty where LibTorch computes the network whole.
  [[nodiscard]] std::vector<double> layer_seconds(const at::Tensor& image) {
    const at::NoGradGuard no_grad;
    require_images(graph_, image);
    std::vector<double> seconds;
    if (frozen_) return seconds;
    std::vector<at::Tensor> heads;
    for (const int i : graph_.heads()) {
      const auto& s = graph_.shape(i);
      heads.push_back(at::empty({1, s.channels, s.height, s.width}));
    }
    const auto clock = [] { return std::chrono::steady_clock::now(); };
    auto begin = clock();
    run_image(image.narrow(0, 0, 1).contiguous(), heads, 0, [&] {
      const auto end = clock();
      seconds.push_back(std::chrono::duration<double>(end - begin).count());
      begin = end;
    });
    return seconds;
  }

  /// Writes what `read` makes the plan of again, but for its graph: form, density and prepared
  /// weights of every convolution (plan_file.hpp has the file around it).
  /// @throws Error  if a form cannot be kept (KeptForm).
  void write(PlanWriter& to) const {
    for (const auto& choice : choices_) {
      to.text(choice.form);
      to.value(choice.density);
    }
    to.value(frozen_.has_value());
    if (frozen_) return StoredNetwork::write(*frozen_, to);
    for (const int i : graph_.convolutions()) List::write(step(i).prepared, to);
  }
  static PlanOf read(Graph graph, PlanReader& from) { return PlanOf(std::move(graph), from); }

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
      run_image(images.narrow(0, n, 1).contiguous(), heads, n, [] {});
    return heads;
  }

 private:
  using List = FormList<Forms...>;
  using Prepared = typename List::Prepared;

  PlanOf(Graph graph, PlanReader& from) : graph_(std::move(graph)) {
    const at::NoGradGuard no_grad;
    const auto convolutions = graph_.convolutions();
    std::vector<std::size_t> forms;
    for (const int i : convolutions) {
      const auto name = from.text();
      forms.push_back(List::named(name));
      require(forms.back() < List::kNames.size(), from.place(),
              "{} should have a form of this plan, got '{}'", graph_[i].name, name);
      choices_.push_back({graph_[i].name, name, from.value<double>()});
    }
    const auto layouts = Assignment(graph_, {}, {Forms::layout...}).layouts(forms);
    if (from.value<bool>()) {
      frozen_.emplace(StoredNetwork(graph_, from));
      return;
    }
    prepare(layouts,
            [&](std::size_t c) { return List::read(forms[c], bare(convolutions[c]), from); });
  }

  struct Step {
    Prepared prepared;
    float slope;
  };

  /// Makes the steps, and lays out the memory.
  /// @param prepared  (position in the convolutions) → the layer in its form.
  template <class PreparedOf>
  void prepare(const std::vector<Layout>& layouts, const PreparedOf& prepared) {
    const auto convolutions = graph_.convolutions();
    const auto n = graph_.layers.size();
    PlanMemory::Abilities forms{std::vector<bool>(n), std::vector<bool>(n)};
    steps_.resize(n);
    for (std::size_t c = 0; c < convolutions.size(); ++c) {
      const auto i = static_cast<std::size_t>(convolutions[c]);
      const auto slope = slope_of(graph_.convolution(convolutions[c]).activation);
      const auto& step = steps_[i].emplace(Step{prepared(c), static_cast<float>(slope)});
      forms.allocates[i] = List::kAllocates[step.prepared.index()];
      forms.adds_residual[i] = List::kAddsResidual[step.prepared.index()];
    }
    memory_ = PlanMemory(graph_, layouts, forms);
  }

  /// The convolution at graph index i, without its tensors.
  [[nodiscard]] FoldedLayer bare(int i) const {
    FoldedLayer layer{
        graph_.convolution(i), graph_.shape(graph_[i].inputs.front()), graph_.shape(i), {}, {}};
    if (!is_piecewise_linear(layer.settings.activation))
      layer.settings.activation = Activation::kLinear;  // and LibTorch's behind it
    return layer;
  }

  [[nodiscard]] FoldedLayer folded(int i, const LayerParameters& p) const {
    FoldedLayer layer = bare(i);
    layer.weight = p.weight;
    layer.bias = p.bias;
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
      const auto form = List::named(found->second);
      require(List::fits(form, layers[c]), "choices",
              "{} cannot be '{}': there is no such form, or it does not fit", name, found->second);
      forms.push_back(form);
    }
    return forms;
  }

  [[nodiscard]] const Step& step(int i) const { return *steps_[static_cast<std::size_t>(i)]; }

  /// Outputs of the layers so far, in the layout they have and, once somebody asks, in the other.
  struct Outputs {
    const PlanOf& plan;
    Trace now;
    std::vector<bool> is_changed;  // by place

    const at::Tensor& in(int i, Layout wanted) {
      const at::Tensor& t = now.of(i);
      if (t.is_contiguous(memory_format(wanted))) return t;
      const auto where = PlanMemory::place(i, wanted);
      const at::Tensor& other = plan.memory_.changed(where);
      if (!is_changed[where]) change_layout(t, other);
      is_changed[where] = true;
      return other;
    }
  };

  /// How one image passes the layers: into the workspace, convolutions each in its form.
  struct Rules : LayerRules {
    const PlanOf& plan;
    Outputs& outputs;

    [[nodiscard]] at::Tensor into(int i) const { return plan.memory_.output(i); }

    [[nodiscard]] at::Tensor convolution(int i, const Convolutional& conv,
                                         const at::Tensor& x) const {
      const Step& step = plan.step(i);
      const int sum = plan.memory_.finishes(i);
      Finish finish{.slope = step.slope};
      if (sum >= 0) {
        const auto& inputs = plan.graph_[sum].inputs;
        const at::Tensor& residual =
            outputs.in(std::min(inputs[0], inputs[1]), plan.memory_.layout(i));
        const auto& shortcut = std::get<Shortcut>(plan.graph_[sum].operation);
        finish.residual = residual.const_data_ptr<float>();
        finish.residual_slope = static_cast<float>(slope_of(shortcut.activation));
      }
      const auto y = List::run(step.prepared, {x, into(sum < 0 ? i : sum), finish});
      return is_piecewise_linear(conv.activation) ? y
                                                  : serpette::detail::activate_(y, conv.activation);
    }
  };

  /// @param done  called after every layer.
  template <class Done>
  void run_image(const at::Tensor& image, std::vector<at::Tensor>& heads, std::int64_t n,
                 const Done& done) {
    Outputs outputs{*this,
                    {image, std::vector<at::Tensor>(graph_.layers.size())},
                    std::vector<bool>(memory_.places())};
    const Rules rules{{}, *this, outputs};
    std::size_t head = 0;
    for (int i = 0; i < graph_.size(); ++i) {
      const auto& inputs = graph_[i].inputs;
      if (graph_[i].as<Yolo>())  // now: its buffer may serve a later layer
        heads[head++].select(0, n).copy_(outputs.now.of(inputs.front()).squeeze(0));
      outputs.now.output[static_cast<std::size_t>(i)] =
          memory_.is_finished(i)  // by the later of its inputs
              ? outputs.now.of(std::max(inputs[0], inputs[1]))
              : run_layer(
                    graph_, i,
                    [&](int j) -> const at::Tensor& { return outputs.in(j, memory_.layout(i)); },
                    rules);
      done();
    }
  }

  Graph graph_;
  std::vector<std::optional<Step>> steps_;  // by graph index: the convolutions
  PlanMemory memory_;
  std::vector<LayerChoice> choices_;
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
