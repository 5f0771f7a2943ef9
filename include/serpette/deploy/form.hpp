#pragma once

#include <cstdint>
#include <string_view>

#include "serpette/concepts/named.hpp"
#include "serpette/deploy/finish.hpp"
#include "serpette/deploy/plan_archive.hpp"
#include "serpette/graph/graph.hpp"
#include "serpette/torch/tensor.hpp"

namespace serpette::deploy {

/// How a map lies in memory: channel by channel [C, H, W], or cell by cell [H, W, C].
enum class Layout { kPlanes, kChannelsLast };

/// One convolution as a form sees it: batch norm folded, on the CPU.
struct FoldedLayer {
  Convolutional settings;  ///< With an activation that is linear on both sides of 0: another one
                           ///< is linear here, and follows the form.
  Shape in, out;
  at::Tensor weight;              ///< [C_out, C_in / groups, k, k] float, contiguous
  at::Tensor bias;                ///< [C_out] float, contiguous
  std::int64_t weights_left = 0;  ///< Nonzero weights.
  std::int64_t kernels_left = 0;  ///< k×k slices with a nonzero weight.

  /// Nonzero weights ÷ weights.
  [[nodiscard]] double density() const {
    return static_cast<double>(weights_left) / static_cast<double>(weight.numel());
  }
  /// Multiply-adds of one image, zeros among them.
  [[nodiscard]] double macs() const {
    return static_cast<double>(weight.numel()) * out.height * out.width;
  }
};

/// What a form is given to compute one image from.
struct FormInput {
  const at::Tensor& x;  ///< [1, C_in, H, W] in the form's layout, dense.
  at::Tensor y;         ///< [1, C_out, H', W'] likewise, to be filled; undefined for `allocates`.
  Finish finish;
};

namespace req {
/// Which convolutions the form can compute, and how long it would take by a model of the machine
/// [multiply-adds that LibTorch's dense convolution does in that time on one thread].
template <class F>
concept JudgesLayers = requires(const FoldedLayer& layer) {
  { F::fits(layer) } -> std::same_as<bool>;
  { F::cost(layer) } -> std::same_as<double>;
};
/// `Prepared` holds what a layer's weights become; `run` computes one image from it.
template <class F>
concept RunsPrepared = requires(const FoldedLayer& layer, const typename F::Prepared& prepared,
                                const FormInput& input) {
  { F::prepare(layer) } -> std::same_as<typename F::Prepared>;
  { F::run(prepared, input) } -> std::same_as<at::Tensor>;
};
/// The layout of input and output; whether its outputs are tensors of its own, not the plan's
/// buffers; whether it can add a residual.
template <class F>
concept StatesItsMemory = requires {
  { F::layout } -> std::convertible_to<Layout>;
  { F::allocates } -> std::convertible_to<bool>;
  { F::adds_residual } -> std::convertible_to<bool>;
};
/// How a prepared layer becomes bytes and is read again, from a layer that has no tensors.
template <class F>
concept KeepsPrepared = requires(const FoldedLayer& layer, const typename F::Prepared& prepared,
                                 PlanWriter& to, PlanReader& from) {
  { F::write(prepared, to) } -> std::same_as<void>;
  { F::read(layer, from) } -> std::same_as<typename F::Prepared>;
};
}  // namespace req

/// A way of computing one convolution. A plan takes its forms as a list of types, and needs nothing
/// else to know of one: docs/guides/extend.md adds one.
template <class F>
concept Form = serpette::req::Named<F> && req::JudgesLayers<F> && req::RunsPrepared<F> &&
               req::StatesItsMemory<F>;

/// A form whose layers a plan file can hold.
template <class F>
concept KeptForm = Form<F> && req::KeepsPrepared<F>;

}  // namespace serpette::deploy
