#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "serpette/concepts/named.hpp"
#include "serpette/deploy/finish.hpp"
#include "serpette/deploy/map.hpp"
#include "serpette/deploy/plan_archive.hpp"
#include "serpette/deploy/plan_precision.hpp"
#include "serpette/deploy/quantization.hpp"
#include "serpette/deploy/rounded_map.hpp"
#include "serpette/deploy/slice.hpp"
#include "serpette/deploy/workers.hpp"
#include "serpette/graph/graph.hpp"

namespace serpette::deploy {

/// One convolution as a form sees it: batch norm folded, on the CPU.
struct FoldedLayer {
  Convolutional settings;  ///< With an activation that is linear on both sides of 0: another one
                           ///< is linear here, and follows the form.
  Shape in, out;
  std::span<const float> weight;  ///< [C_out, C_in / groups, k, k], somebody else's
  std::span<const float> bias;    ///< [C_out]
  PlanPrecision precision = PlanPrecision::kFloat32;  ///< The coarsest that the plan allows.
  std::optional<ValueRange> range = {};  ///< Of the input's numbers, where calibration found it.
  std::int64_t weights_left = 0;         ///< Nonzero weights.
  std::int64_t kernels_left = 0;         ///< k×k slices with a nonzero weight.

  /// Counts what is left of `weight`.
  void count_left() {
    const auto area = static_cast<std::size_t>(settings.size) * settings.size;
    weights_left = kernels_left = 0;
    for (std::size_t i = 0; i < weight.size(); i += area) {
      std::int64_t of_kernel = 0;
      for (std::size_t tap = 0; tap < area; ++tap) of_kernel += weight[i + tap] != 0 ? 1 : 0;
      weights_left += of_kernel;
      kernels_left += of_kernel > 0 ? 1 : 0;
    }
  }
  /// Nonzero weights ÷ weights.
  [[nodiscard]] double density() const {
    return static_cast<double>(weights_left) / static_cast<double>(weight.size());
  }
  /// Multiply-adds of one image, zeros among them.
  [[nodiscard]] double macs() const {
    return static_cast<double>(weight.size()) * out.height * out.width;
  }
};

/// The convolution at graph index i, without its weights.
inline FoldedLayer folded_layer(const Graph& graph, int i) {
  FoldedLayer layer{
      graph.convolution(i), graph.shape(graph[i].inputs.front()), graph.shape(i), {}, {}};
  if (!is_piecewise_linear(layer.settings.activation))
    layer.settings.activation = Activation::kLinear;  // and the other one behind it
  return layer;
}

/// What a form computes one image from, and into.
struct FormInput {
  ConstMap x;  ///< [C_in, H, W] in the form's layout, dense.
  Map y;       ///< [C_out, H', W'] likewise, to be filled.
  Finish finish;
  RoundedMaps rounded = {};  ///< Of a RoundedForm alone: then x's or y's data may be null.
};

namespace req {
/// Which convolutions the form can compute, and how long it would take by a model of the machine
/// [multiply-adds that a dense convolution does in that time on one thread]. `fits` looks at
/// settings, shapes, precision and whether there is a range: a plan that is read asks it before it
/// has weights.
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
  { F::run(prepared, input) } -> std::same_as<void>;
};
/// The layout of input and output; whether it can add a residual.
template <class F>
concept StatesItsMemory = requires {
  { F::layout } -> std::convertible_to<Layout>;
  { F::adds_residual } -> std::convertible_to<bool>;
};
/// How a prepared layer becomes bytes and is read again, from a layer without weights.
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

/// A form that can compute rows of the output by themselves, on one thread, where maps are large:
/// which rows those are of a layer, from the top down (none: only the whole map), and how. A plan
/// then computes several layers together (slice_chain.hpp).
template <class F>
concept SlicedForm = Form<F> && requires(const typename F::Prepared& prepared, std::size_t k,
                                         const RowMaps<>& maps) {
  { F::slices(prepared) } -> std::same_as<std::vector<Slice>>;
  { F::run_slice(prepared, k, maps) } -> std::same_as<void>;
};

/// A form that multiplies rounded numbers: between two layers of such forms a plan keeps the
/// rounded map alone. `reads` says how the input has to lie; none: only as float. `run` and
/// `run_slice` then read input.rounded.x if that is there, else x; write y, if it has memory, and
/// each of rounded.y that is there, in its layout: `filled` numbers of each cell, and the padding
/// (RoundedRows::pad); and add rounded.residual, which is bfloat16, if it is there.
template <class F>
concept RoundedForm = Form<F> && requires(const typename F::Prepared& prepared) {
  { F::reads(prepared) } -> std::same_as<std::optional<RoundedLayout>>;
};

/// A form that shares its work by Workers alone, and opens no parallel region itself: a plan of
/// such forms gathers its threads once for an image (team.hpp).
template <class F>
concept WorkersForm = Form<F> && requires(const typename F::Prepared& prepared) {
  { F::workers(prepared) } -> std::same_as<const Workers&>;
};

/// A form whose layers a plan file can hold.
template <class F>
concept KeptForm = Form<F> && req::KeepsPrepared<F>;

}  // namespace serpette::deploy
