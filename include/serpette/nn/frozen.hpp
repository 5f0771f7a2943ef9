#pragma once

#include <ATen/core/dispatch/Dispatcher.h>

#include <cmath>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "serpette/concepts/detector.hpp"
#include "serpette/core/precision.hpp"
#include "serpette/graph/convolve.hpp"
#include "serpette/graph/execute.hpp"
#include "serpette/graph/fold.hpp"
#include "serpette/graph/graph.hpp"
#include "serpette/graph/layer_parameters.hpp"
#include "serpette/torch/nn.hpp"

namespace serpette {

namespace detail {

/// oneDNN's convolution with bias and activation in one pass over the output, and its own weight
/// layout: the operations torch.compile emits on CPUs. Absent from builds without oneDNN.
class FusedConvolution {
 public:
  using Pointwise = at::Tensor(const at::Tensor&, const at::Tensor&,
                               const std::optional<at::Tensor>&, at::IntArrayRef, at::IntArrayRef,
                               at::IntArrayRef, std::int64_t, std::string_view,
                               c10::List<std::optional<at::Scalar>>,
                               std::optional<std::string_view>);
  using Reorder = at::Tensor(const at::Tensor&, at::IntArrayRef, at::IntArrayRef, at::IntArrayRef,
                             std::int64_t, at::OptionalIntArrayRef);

  /// @return  the operations, or nullptr where this LibTorch does not have them.
  static const FusedConvolution* get() {
    static const auto found = []() -> std::optional<FusedConvolution> {
      auto& dispatcher = c10::Dispatcher::singleton();
      const auto pointwise = dispatcher.findSchema({"mkldnn::_convolution_pointwise", ""});
      const auto reorder = dispatcher.findSchema({"mkldnn::_reorder_convolution_weight", ""});
      const auto halves = dispatcher.findSchema({"mkldnn::_is_mkldnn_bf16_supported", ""});
      if (!pointwise || !reorder || !at::globalContext().userEnabledMkldnn()) return std::nullopt;
      return FusedConvolution(pointwise->typed<Pointwise>(), reorder->typed<Reorder>(),
                              halves && halves->typed<bool()>().call());
    }();
    return found ? &*found : nullptr;
  }

  /// Whether it takes tensors of this type: bfloat16 where oneDNN has it for this CPU.
  [[nodiscard]] bool takes(at::ScalarType type) const {
    return type == at::kFloat || (type == at::kBFloat16 && takes_halves_);
  }

  [[nodiscard]] at::Tensor pack(const at::Tensor& weight, const Convolutional& c,
                                const Shape& in) const {
    const std::int64_t one_image[] = {1, in.channels, in.height, in.width};
    return reorder_.call(weight, {c.padding, c.padding}, {c.stride, c.stride}, {1, 1}, c.groups,
                         at::OptionalIntArrayRef(one_image));
  }

  [[nodiscard]] at::Tensor operator()(const at::Tensor& x, const at::Tensor& packed,
                                      const at::Tensor& bias, const Convolutional& c) const {
    c10::List<std::optional<at::Scalar>> scalars;
    if (c.activation == Activation::kLeaky) scalars.push_back(at::Scalar(kLeakySlope));
    const auto y = pointwise_.call(x, packed, bias, {c.padding, c.padding}, {c.stride, c.stride},
                                   {1, 1}, c.groups, name_of(c.activation), scalars, std::nullopt);
    return c.activation == Activation::kMish ? activate_(y, c.activation) : y;
  }

 private:
  /// oneDNN's name of what it fuses; it has no mish.
  static std::string_view name_of(Activation activation) {
    switch (activation) {
      case Activation::kLeaky:
        return "leaky_relu";
      case Activation::kRelu:
        return "relu";
      case Activation::kLogistic:
        return "sigmoid";
      case Activation::kSwish:
        return "swish";
      case Activation::kLinear:
      case Activation::kMish:
        break;
    }
    return "none";
  }

  FusedConvolution(c10::TypedOperatorHandle<Pointwise> pointwise,
                   c10::TypedOperatorHandle<Reorder> reorder, bool takes_halves)
      : pointwise_(std::move(pointwise)),
        reorder_(std::move(reorder)),
        takes_halves_(takes_halves) {}

  c10::TypedOperatorHandle<Pointwise> pointwise_;
  c10::TypedOperatorHandle<Reorder> reorder_;
  bool takes_halves_;
};

/// A convolution whose weights are constants: forward in one fused pass, backward to the input
/// alone.
struct FrozenConvolution : torch::autograd::Function<FrozenConvolution> {
  static at::Tensor run(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                        const at::Tensor& packed, const Convolutional& c) {
    if (packed.defined()) return (*FusedConvolution::get())(x, packed, bias, c);
    return activate_(convolve(x, weight, bias, c), c.activation);
  }

  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& weight, const at::Tensor& bias,
                            const at::Tensor* packed, const Convolutional* c) {
    // Pointers, since autograd takes no tensor that is undefined.
    const Activation activation = c->activation;
    Convolutional first = *c;  // up to what is kept: the output, where it tells the slope
    if (!slope_is_in_output(activation)) first.activation = Activation::kLinear;
    const auto kept = run(x, weight, bias, *packed, first);
    context->save_for_backward({x, weight, kept});
    context->saved_data["convolution"] = std::vector<std::int64_t>{
        c->size, c->stride, c->padding, c->groups, static_cast<std::int64_t>(activation)};
    return slope_is_in_output(activation) ? kept : activate_(kept.clone(), activation);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto& [x, weight, kept] = std::tie(saved[0], saved[1], saved[2]);
    const auto settings = context->saved_data["convolution"].toIntVector();
    const Convolutional c{.size = static_cast<int>(settings[0]),
                          .stride = static_cast<int>(settings[1]),
                          .padding = static_cast<int>(settings[2]),
                          .groups = static_cast<int>(settings[3]),
                          .activation = static_cast<Activation>(settings[4])};
    const auto g = activation_backward(gradients[0], kept, c.activation);
    const auto to_input = std::get<0>(convolve_backward(g, x, weight, c, true, false));
    return {to_input, {}, {}, {}, {}};
  }
};

}  // namespace detail

/// A detector in evaluation mode made fast: batch norm folded, bias and activation fused into the
/// convolution, channels-last, weights in the layout of the CPU's convolution. Its weights are
/// constants, so the backward pass goes to the images alone: what inference, timing and attacks
/// run. A snapshot: later changes of the detector do not show.
class FrozenNetwork {
 public:
  /// @param network    offers `graph()` and `layer(i)`.
  /// @param hook       sees the output of every convolution; may be empty.
  /// @param precision  of the convolutions.
  template <class Network>
  explicit FrozenNetwork(const Network& network, OutputHook hook = {},
                         Precision precision = Precision::kFloat32)
      : graph_(network.graph()), hook_(std::move(hook)), precision_(precision) {
    const torch::NoGradGuard no_grad;
    layers_.resize(graph_.layers.size());
    for (const int i : graph_.convolutions()) {
      auto [weight, bias] = fold_batch_norm(network.layer(i));
      auto& mine = layers_[static_cast<std::size_t>(i)];
      const auto type = precision_ == Precision::kBFloat16 ? at::kBFloat16 : weight.scalar_type();
      mine.weight = weight.to(type).contiguous(at::MemoryFormat::ChannelsLast);
      mine.bias = bias.to(type);
      const auto* fused = detail::FusedConvolution::get();
      if (fused != nullptr && weight.is_cpu() && fused->takes(type))
        mine.packed =
            fused->pack(mine.weight, graph_.convolution(i), graph_.shape(graph_[i].inputs.front()));
    }
  }

  [[nodiscard]] const Graph& graph() const { return graph_; }

  /// Weight and bias of the convolution at graph index i, with batch norm folded in.
  [[nodiscard]] LayerParameters layer(int i) const {
    LayerParameters p;
    p.weight = layers_[static_cast<std::size_t>(i)].weight;
    p.bias = layers_[static_cast<std::size_t>(i)].bias;
    return p;
  }

  /// Raw logits of every head [N, A·(5 + C), h, w], channels-last. Differentiable by the images
  /// only.
  /// @throws Error  if the images are not [N, C, H, W] of the graph's canvas.
  [[nodiscard]] std::vector<at::Tensor> forward(const at::Tensor& images) const {
    require_images(graph_, images);
    const auto type = precision_ == Precision::kBFloat16 ? at::kBFloat16 : images.scalar_type();
    const auto x = images.to(type).contiguous(at::MemoryFormat::ChannelsLast);
    auto heads = run_graph(graph_, x, [&](int i, const at::Tensor& in) {
      const auto& [weight, bias, packed] = layers_[static_cast<std::size_t>(i)];
      const auto& conv = graph_.convolution(i);
      const bool recorded = at::GradMode::is_enabled() && in.requires_grad();
      auto y = recorded ? detail::FrozenConvolution::apply(in, weight, bias, &packed, &conv)
                        : detail::FrozenConvolution::run(in, weight, bias, packed, conv);
      return hook_ ? hook_(i, y) : y;
    });
    for (auto& head : heads) head = head.to(images.scalar_type());
    return heads;
  }

 private:
  struct Tensors {
    at::Tensor weight, bias;
    at::Tensor packed;  // defined where the fused convolution is used
  };

  Graph graph_;
  std::vector<Tensors> layers_;  // by graph index; empty but for convolutions
  OutputHook hook_;
  Precision precision_;
};

}  // namespace serpette
