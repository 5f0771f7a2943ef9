#pragma once

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/deploy/change_layout.hpp"
#include "serpette/deploy/execution.hpp"
#include "serpette/deploy/folded_network.hpp"
#include "serpette/deploy/form.hpp"
#include "serpette/deploy/our_forms.hpp"
#include "serpette/deploy/plan_file.hpp"
#include "serpette/graph/execute.hpp"
#include "serpette/graph/layer_parameters.hpp"
#include "serpette/torch/tensor.hpp"

namespace serpette::deploy {

/// A pruned network made fast on the CPU: batch norm folded, bias, activation and residual addition
/// fused into the convolutions, silent filters cut out, and every convolution in the form that is
/// fastest at its sparsity. Buffers are laid out once. A snapshot: later changes of the detector do
/// not show. This is an Execution for tensors; who only runs a plan needs no LibTorch
/// (runtime.hpp).
///
/// The outputs are the network's in evaluation mode, up to rounding (1e-4 relative). One forward at
/// a time: a plan owns its buffers. It uses LibTorch's threads; outputs do not depend on their
/// number.
/// @tparam Run  the Execution.
template <class Run>
class TensorPlan : public Run {
 public:
  using Run::Run;
  explicit TensorPlan(const FoldedNetwork& network, const PlanOptions& options = {})
      : Run(network.graph(), folded_layers(network), options) {}

  /// Raw logits of every head [N, A·(5 + C), h, w].
  /// @param images  [N, C, H, W] float on the CPU, like the graph's input; computed one by one.
  /// @throws Error  if they have another shape, type or device.
  [[nodiscard]] std::vector<at::Tensor> forward(const at::Tensor& images) {
    const at::NoGradGuard no_grad;
    const auto x = checked(images);
    std::vector<at::Tensor> heads;
    for (const int i : this->graph().heads()) {
      const auto& s = this->graph().shape(i);
      heads.push_back(at::empty({x.size(0), s.channels, s.height, s.width}, x.options()));
    }
    for (std::int64_t n = 0; n < x.size(0); ++n)
      this->run(x.select(0, n).template const_data_ptr<float>(),
                [&](std::size_t k, const ConstMap& logits) {
                  auto* to = heads[k].select(0, n).template mutable_data_ptr<float>();
                  copy_map(logits, Map::dense(to, logits.shape, Layout::kPlanes));
                });
    return heads;
  }

  /// Seconds that each layer takes for one image, by graph index; a shortcut that a convolution
  /// finishes takes none.
  /// @param image  [1, C, H, W] as for forward.
  /// @throws Error  as forward, and for another number of images.
  [[nodiscard]] std::vector<double> layer_seconds(const at::Tensor& image) {
    const auto x = checked(image);
    require(x.size(0) == 1, "image", "should be one, got {}", x.size(0));
    return Run::layer_seconds(x.template const_data_ptr<float>());
  }

 private:
  [[nodiscard]] at::Tensor checked(const at::Tensor& images) const {
    require_images(this->graph(), images);
    require(images.is_cpu() && images.scalar_type() == at::kFloat, "images",
            "should be float on the CPU, got {} on {}", c10::toString(images.scalar_type()),
            images.device().str());
    (void)at::get_num_threads();  // its first call on a thread says so to OpenMP
    return images.contiguous();
  }

  static std::vector<FoldedLayer> folded_layers(const FoldedNetwork& network) {
    const auto numbers = [](const at::Tensor& t) {
      return std::span(t.const_data_ptr<float>(), static_cast<std::size_t>(t.numel()));
    };
    std::vector<FoldedLayer> layers;
    for (const int i : network.graph().convolutions()) {
      const LayerParameters& p = network.layer(i);
      FoldedLayer& layer = layers.emplace_back(folded_layer(network.graph(), i));
      layer.weight = numbers(p.weight);
      layer.bias = numbers(p.bias);
      layer.count_left();
    }
    return layers;
  }
};

/// A plan whose convolutions may have these forms; each needs one that fits.
template <Form... Forms>
using PlanOf = TensorPlan<Execution<Forms...>>;

/// A plan of the forms that serpette has.
using Plan = TensorPlan<OurExecution>;

/// A plan that save_plan has written (plan_file.hpp).
inline Plan load_plan(const std::filesystem::path& path) { return load_plan<Plan>(path); }

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
  (void)at::get_num_threads();
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
