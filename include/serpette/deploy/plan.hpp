#pragma once

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/add.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/upsample_nearest2d.h>

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "serpette/core/execute.hpp"
#include "serpette/core/footprint.hpp"
#include "serpette/deploy/folded_network.hpp"
#include "serpette/deploy/sparse_convolution.hpp"
#include "serpette/deploy/workspace.hpp"
#include "serpette/model/frozen.hpp"

namespace serpette::deploy {

/// How one convolution is computed.
enum class Form {
  kDense,    ///< LibTorch's convolution.
  kWeights,  ///< Sparse, weight by weight.
  kKernels,  ///< Sparse, whole 3×3 kernels.
};

struct PlanOptions {
  /// Time the forms where the rule is in doubt (a plan then depends on the machine, and its outputs
  /// in their last bits); otherwise the rule alone decides.
  bool measure = true;
  int repeats = 3;  ///< Timings per form, of which the best counts.
};

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
    choose_forms(network, options);
    const auto is_dense = [](const LayerChoice& c) { return c.form == Form::kDense; };
    if (std::all_of(choices_.begin(), choices_.end(), is_dense)) {
      frozen_.emplace(network);
      return;
    }
    lay_out();
    if (options.measure) prefer_dense_if_faster(network, options);
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
  /// One convolution in its form; the sparse ones write into the workspace.
  struct Step {
    std::optional<SparseConvolution> sparse;
    int add_to = -1;  ///< The shortcut whose sum this convolution finishes; −1: none.
    at::Tensor weight, bias, packed;
  };

  [[nodiscard]] Step& step(int i) { return steps_[static_cast<std::size_t>(i)]; }
  [[nodiscard]] const Convolutional& conv(int i) const { return *graph_[i].as<Convolutional>(); }
  [[nodiscard]] const Shape& input_shape(int i) const {
    return graph_.shape(graph_[i].inputs.front());
  }

  [[nodiscard]] static at::Tensor dense(const at::Tensor& x, const Step& s,
                                        const Convolutional& c) {
    return serpette::detail::FrozenConvolution::run(x, s.weight, s.bias, s.packed, c).contiguous();
  }

  static void run(const SparseConvolution& sparse, const at::Tensor& x, at::Tensor& y,
                  const float* residual, Activation residual_activation) {
    const int threads = at::get_num_threads();
    at::parallel_for(0, sparse.pieces(threads), 1, [&](std::int64_t begin, std::int64_t end) {
      sparse.run(x.const_data_ptr<float>(), y.mutable_data_ptr<float>(), residual,
                 residual_activation, begin, end, threads);
    });
  }

  template <class Work>
  static double best_time(int repeats, const Work& work) {
    double best = std::numeric_limits<double>::infinity();
    for (int i = -1; i < repeats; ++i) {  // the first is a warm-up
      const auto begin = std::chrono::steady_clock::now();
      work();
      const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
      if (i >= 0) best = std::min(best, took.count());
    }
    return best;
  }

  void choose_forms(const FoldedNetwork& network, const PlanOptions& options) {
    steps_.resize(graph_.layers.size());
    for (const int i : graph_.convolutions()) {
      const auto& layer = network.layer(i);
      const double density =
          static_cast<double>(layer.weight.count_nonzero().item<std::int64_t>()) /
          static_cast<double>(layer.weight.numel());
      auto form = Form::kDense;
      if (density < 0.9) {
        const auto settings = sparse_settings(i, layer.weight, density);
        Convolutional c = conv(i);
        if (c.activation == Activation::kLogistic)
          c.activation = Activation::kLinear;  // LibTorch's follows
        SparseConvolution candidate(c, input_shape(i), layer.weight.const_data_ptr<float>(),
                                    layer.bias.const_data_ptr<float>(), settings);
        if (pays_off(i, candidate, layer, options)) {
          form = settings.whole_kernels ? Form::kKernels : Form::kWeights;
          step(i).sparse = std::move(candidate);
        }
      }
      if (form == Form::kDense) step(i) = dense_step(i, layer);
      choices_.push_back({graph_[i].name, form, density});
    }
  }

  [[nodiscard]] SparseSettings sparse_settings(int i, const at::Tensor& weight,
                                               double density) const {
    const auto& c = conv(i);
    const auto& out = graph_.shape(i);
    const auto vectors = [&](int lanes) {
      const bool is_flat = c.size == 1 && c.stride == 1;
      return is_flat ? (out.height * out.width + lanes - 1) / lanes
                     : (out.width + lanes - 1) / lanes * out.height;
    };
    SparseSettings settings;
    const int wide = sparse_kernels_here(false).lanes, narrow = sparse_kernels_here(true).lanes;
    settings.narrow =
        narrow < wide && vectors(narrow) <= vectors(wide);  // as many vectors, each cheaper
    // The denser, the more often a packed value is read again, and the more a place in the nearest
    // cache is worth.
    settings.tile_bytes =
        static_cast<std::int64_t>(std::clamp(5.0 / std::max(density, 1e-3), 48.0, 384.0)) << 10;
    if (c.size == 3 && c.stride == 1) {
      const auto kernels = weight.ne(0).flatten(2).any(2).count_nonzero().item<std::int64_t>();
      settings.whole_kernels =
          0.85 * 9 * static_cast<double>(kernels) < density * static_cast<double>(weight.numel());
    }
    return settings;
  }

  /// Whether the sparse form of a convolution is faster than the dense one.
  [[nodiscard]] bool pays_off(int i, const SparseConvolution& sparse, const LayerParameters& layer,
                              const PlanOptions& options) const {
    // Multiply-adds against the dense convolution's; lanes that idle count.
    const double work =
        static_cast<double>(sparse.operations()) / static_cast<double>(macs(graph_, i));
    if (work < kSurelySparse) return true;
    if (work > kSurelyDense) return false;
    if (!options.measure) return work < kEvenChance;
    const auto &in = input_shape(i), &out = graph_.shape(i);
    const auto x = at::rand({1, in.channels, in.height, in.width});
    auto y = at::empty({1, out.channels, out.height, out.width});
    const Step dense_form = dense_step(i, layer);
    return best_time(options.repeats, [&] { run(sparse, x, y, nullptr, Activation::kLinear); }) <
           best_time(options.repeats, [&] { (void)dense(x, dense_form, conv(i)); });
  }

  [[nodiscard]] Step dense_step(int i, const LayerParameters& layer) const {
    Step s;
    s.weight = layer.weight;
    s.bias = layer.bias;
    if (const auto* fused = serpette::detail::FusedConvolution::get())
      s.packed = fused->pack(s.weight, conv(i), input_shape(i));
    return s;
  }

  /// Layers timed alone do not tell all: mixed forms pay for changes of layout between them.
  void prefer_dense_if_faster(const FoldedNetwork& network, const PlanOptions& options) {
    const auto& in = graph_.input;
    const auto images = at::rand({1, in.channels, in.height, in.width});
    FrozenNetwork frozen(network);
    const double mixed = best_time(options.repeats, [&] { (void)forward(images); });
    if (best_time(options.repeats, [&] { (void)frozen.forward(images); }) >= mixed) return;
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
    for (const int i : graph_.all<Shortcut>()) {
      const auto& inputs = graph_[i].inputs;
      if (inputs.size() != 2 || graph_[i].as<Shortcut>()->activation == Activation::kLogistic)
        continue;
      const int last = std::max(inputs[0], inputs[1]), other = std::min(inputs[0], inputs[1]);
      if (last == other || last == kImage || readers[static_cast<std::size_t>(last)] != 1) continue;
      if (!graph_[last].as<Convolutional>() || !step(last).sparse) continue;
      if (conv(last).activation == Activation::kLogistic) continue;
      step(last).add_to = i;
      finished_[static_cast<std::size_t>(i)] = true;
    }
    std::vector<int> writes(graph_.layers.size(), -1);  // the output each layer's step fills
    for (int i = 0; i < graph_.size(); ++i) {
      const bool is_ours = (graph_[i].as<Convolutional>() && step(i).sparse) ||
                           graph_[i].as<Shortcut>() || graph_[i].as<Upsample>() ||
                           (graph_[i].as<Route>() && graph_[i].inputs.size() > 1);
      if (!is_ours || finished_[static_cast<std::size_t>(i)]) continue;
      const int target = graph_[i].as<Convolutional>() ? step(i).add_to : -1;
      writes[static_cast<std::size_t>(i)] = target >= 0 ? target : i;
    }
    workspace_ = Workspace(graph_, writes);
  }

  /// A max-pool by maxima of shifted views, along rows and then along columns: on maps that are not
  /// channels-last LibTorch's own takes ten times as long.
  static at::Tensor max_pool(const at::Tensor& x, const MaxPool& pool, const Shape& out) {
    const std::int64_t before = pool.padding / 2, after = pool.padding - before;
    auto y = pool.padding == 0 ? x
                               : at::constant_pad_nd(x, {before, after, before, after},
                                                     -std::numeric_limits<double>::infinity());
    for (const auto& [axis, length] : {std::pair{3, out.width}, std::pair{2, out.height}}) {
      const auto view = [&](std::int64_t first) {
        return y.slice(axis, first, first + (length - 1) * pool.stride + 1, pool.stride);
      };
      auto highest = at::maximum(view(0), view(std::min(1, pool.size - 1)));
      for (std::int64_t k = 2; k < pool.size; ++k) at::maximum_out(highest, highest, view(k));
      y = highest;
    }
    return y;
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
      if (const auto* c = layer.as<Convolutional>()) {
        const Step& s = step(i);
        if (!s.sparse) {
          y = dense(x, s, *c);
        } else if (s.add_to < 0) {
          run(*s.sparse, x, y, nullptr, Activation::kLinear);
          if (c->activation == Activation::kLogistic) y.sigmoid_();
        } else {
          target = s.add_to;
          y = workspace_.buffer(target);
          const auto& sum = graph_[target];
          const auto& other = of(std::min(sum.inputs[0], sum.inputs[1]));
          run(*s.sparse, x, y, other.const_data_ptr<float>(), sum.as<Shortcut>()->activation);
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
        y = max_pool(x, *pool, layer.output);
      } else {
        heads[head++].select(0, n).copy_(x.squeeze(0));
        y = x;
      }
      outputs[static_cast<std::size_t>(target)] = std::move(y);
    }
  }

  // Shares of a dense convolution's multiply-adds: below the first and above the last no timing is
  // needed, at the middle both forms take about as long.
  static constexpr double kSurelySparse = 0.2, kEvenChance = 0.4, kSurelyDense = 0.9;

  Graph graph_;
  std::vector<Step> steps_;     // by graph index; used by convolutions
  std::vector<bool> finished_;  // shortcuts that a convolution finishes
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
