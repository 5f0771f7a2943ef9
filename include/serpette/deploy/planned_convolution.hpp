#pragma once

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>

#include "serpette/deploy/sparse_convolution.hpp"
#include "serpette/graph/footprint.hpp"
#include "serpette/graph/graph.hpp"
#include "serpette/graph/layer_parameters.hpp"
#include "serpette/nn/frozen.hpp"

namespace serpette::deploy {

/// How one convolution is computed.
enum class Form {
  kDense,    ///< LibTorch's convolution.
  kWeights,  ///< Our own (SparseConvolution), weight by weight.
  kKernels,  ///< Our own, whole 3×3 kernels.
};

struct PlanOptions {
  /// Time the forms where the rule is in doubt (a plan then depends on the machine, and its outputs
  /// in their last bits); otherwise the rule alone decides.
  bool measure = true;
  int repeats = 3;  ///< Timings per form at least, of which the best counts.
};

namespace detail {

/// Whether `a` takes less time than `b`: after a warm-up they take turns, for 3 ms at least, and
/// the best of each counts.
template <class A, class B>
bool is_faster(const A& a, const B& b, int repeats) {
  const auto seconds = [](const auto& work) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  double best_a = std::numeric_limits<double>::infinity(), best_b = best_a;
  double spent = seconds(a) + seconds(b);
  for (int i = 0; i < repeats || spent < 3e-3; ++i) {
    const double of_a = seconds(a), of_b = seconds(b);
    best_a = std::min(best_a, of_a);
    best_b = std::min(best_b, of_b);
    spent += of_a + of_b;
  }
  return best_a < best_b;
}

}  // namespace detail

/// One convolution with bias and activation, for one image at a time, in the form that is fastest:
/// LibTorch's where many weights are left, our own where few are, or where the layer is so small
/// that the fixed cost of calling LibTorch's is most of its time.
class PlannedConvolution {
 public:
  /// Chooses by the multiply-adds of our form ÷ (the dense ones + LibTorch's fixed cost), and
  /// between two bounds by timing both, if asked to.
  /// @param layer  weight and bias, float on the CPU, contiguous.
  PlannedConvolution(const Graph& graph, int i, const LayerParameters& layer,
                     const PlanOptions& options)
      : conv_(graph.convolution(i)),
        in_(graph.shape(graph[i].inputs.front())),
        out_(graph.shape(i)),
        density_(static_cast<double>(layer.weight.count_nonzero().item<std::int64_t>()) /
                 static_cast<double>(layer.weight.numel())) {
    const double products = static_cast<double>(macs(graph, i));
    dense_cost_ = cost_ = products + kCallOfLibTorch;
    if (density_ * products > kSurelyDense * dense_cost_) {
      dense_ = prepared(layer);
      return;
    }
    sparse_ = compressed(layer);
    const double share = static_cast<double>(sparse_->operations()) / dense_cost_;
    cost_ = share / kEvenChance * dense_cost_;
    if (share < kSurelySparse) return;
    dense_ = prepared(layer);
    const bool is_sparse =
        share <= kSurelyDense &&
        (options.measure ? is_sparse_faster(options.repeats) : share < kEvenChance);
    if (is_sparse) {
      dense_.reset();
    } else {
      sparse_.reset();
      cost_ = dense_cost_;
    }
  }

  [[nodiscard]] Form form() const {
    if (dense_) return Form::kDense;
    return sparse_->whole_kernels() ? Form::kKernels : Form::kWeights;
  }

  /// Nonzero weights ÷ weights.
  [[nodiscard]] double density() const { return density_; }

  /// Time by the rule, in multiply-adds of LibTorch's: of the chosen form, and of the dense one.
  [[nodiscard]] double cost() const { return cost_; }
  [[nodiscard]] double dense_cost() const { return dense_cost_; }

  [[nodiscard]] const Convolutional& settings() const { return conv_; }

  /// The dense form: [1, C_out, H', W'] of [1, C_in, H, W], contiguous both.
  [[nodiscard]] at::Tensor dense(const at::Tensor& x) const {
    return serpette::detail::FrozenConvolution::run(x, dense_->weight, dense_->bias, dense_->packed,
                                                    conv_)
        .contiguous();
  }

  /// Our own forms: fills `y`, to which a residual may be added, with an activation behind the sum.
  /// @param residual  like y, or null.
  void sparse(const at::Tensor& x, at::Tensor& y, const float* residual = nullptr,
              Activation residual_activation = Activation::kLinear) const {
    const float* from = x.const_data_ptr<float>();
    float* to = y.mutable_data_ptr<float>();
    const int threads = static_cast<int>(
        std::min<std::int64_t>(at::get_num_threads(), 1 + sparse_->operations() / kWorthAThread));
    const std::int64_t pieces = sparse_->pieces(threads);
    at::parallel_for(0, pieces, threads > 1 ? 1 : pieces,
                     [&](std::int64_t begin, std::int64_t end) {
                       sparse_->run(from, to, residual, residual_activation, begin, end, threads);
                     });
    if (!is_piecewise_linear(conv_.activation)) serpette::detail::activate_(y, conv_.activation);
  }

 private:
  struct Dense {
    at::Tensor weight, bias;
    at::Tensor packed;  // defined where the fused convolution is used
  };

  [[nodiscard]] Dense prepared(const LayerParameters& layer) const {
    const auto* fused = serpette::detail::FusedConvolution::get();
    return {layer.weight, layer.bias, fused ? fused->pack(layer.weight, conv_, in_) : at::Tensor()};
  }

  [[nodiscard]] SparseConvolution compressed(const LayerParameters& layer) const {
    Convolutional c = conv_;
    if (!is_piecewise_linear(c.activation))
      c.activation = Activation::kLinear;  // LibTorch's follows
    return {c, in_, layer.weight.const_data_ptr<float>(), layer.bias.const_data_ptr<float>(),
            sparse_settings(layer.weight)};
  }

  [[nodiscard]] SparseSettings sparse_settings(const at::Tensor& weight) const {
    const auto vectors = [&](int lanes) {
      const bool is_flat = conv_.size == 1 && conv_.stride == 1;
      return is_flat ? (out_.height * out_.width + lanes - 1) / lanes
                     : (out_.width + lanes - 1) / lanes * out_.height;
    };
    SparseSettings settings;
    const int wide = sparse_kernels_here(false).lanes, narrow = sparse_kernels_here(true).lanes;
    settings.narrow =
        narrow < wide && vectors(narrow) <= vectors(wide);  // as many vectors, each cheaper
    // The denser, the more often a packed value is read again, and the more a place in the nearest
    // cache is worth.
    settings.tile_bytes =
        static_cast<std::int64_t>(std::clamp(5.0 / std::max(density_, 1e-3), 48.0, 384.0)) << 10;
    if (conv_.size == 3 && conv_.stride == 1) {
      const auto kernels = weight.ne(0).flatten(2).any(2).count_nonzero().item<std::int64_t>();
      settings.whole_kernels =
          0.85 * 9 * static_cast<double>(kernels) < density_ * static_cast<double>(weight.numel());
    }
    return settings;
  }

  [[nodiscard]] bool is_sparse_faster(int repeats) const {
    const auto x = at::ones({1, in_.channels, in_.height, in_.width});
    auto y = at::empty({1, out_.channels, out_.height, out_.width});
    return detail::is_faster([&] { sparse(x, y); }, [&] { (void)dense(x); }, repeats);
  }

  // Our multiply-adds, idle lanes' too, as a share of what LibTorch's time is worth: below the
  // first and above the last no timing is needed, at the middle both take about as long.
  static constexpr double kSurelySparse = 0.2, kEvenChance = 0.4, kSurelyDense = 0.9;
  // Multiply-adds that LibTorch does in the 20 µs that a call of its convolution takes besides.
  static constexpr double kCallOfLibTorch = 2e6;
  // Multiply-adds for which it pays to wake another thread.
  static constexpr std::int64_t kWorthAThread = 2'000'000;

  Convolutional conv_;
  Shape in_, out_;
  double density_, cost_ = 0, dense_cost_ = 0;
  std::optional<SparseConvolution> sparse_;  // of these two the chosen one
  std::optional<Dense> dense_;
};

}  // namespace serpette::deploy
