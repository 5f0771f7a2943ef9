#pragma once

/// @file
/// Dense convolution over channels-last maps by tiles (AMX). No LibTorch.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/deploy/amx_kernels.hpp"
#include "serpette/deploy/amx_steps.hpp"
#include "serpette/deploy/dense_weights.hpp"
#include "serpette/deploy/dot_kernels.hpp"
#include "serpette/deploy/output_shape.hpp"
#include "serpette/deploy/plan_archive.hpp"
#include "serpette/deploy/round_rows.hpp"
#include "serpette/deploy/rounded_map.hpp"
#include "serpette/deploy/scratch.hpp"
#include "serpette/deploy/slice.hpp"
#include "serpette/deploy/stored_array.hpp"
#include "serpette/deploy/stored_indices.hpp"
#include "serpette/deploy/stored_rounding.hpp"
#include "serpette/graph/graph.hpp"

namespace serpette::deploy {

/// y = finish(w ∗ x + b), channels-last, one group, by AMX, which multiplies tiles of 16 positions
/// and 16 filters.
///
/// The input is rounded, into rows with the padding around them, in which what a step multiplies
/// lies side by side (amx_steps.hpp). With stride 1, 16 positions that follow each other may begin
/// in one row of the map and end in the next, so that narrow maps fill tiles, too; what is computed
/// in the padding is dropped. Steps of which all weights are zero are left out: those of 32 filters
/// and kAmxDepth channels at one cell of the kernel. The order of summation depends on nothing but
/// the layer. Where channels do not fill chunks, zero weights multiply some numbers: of BFloat16 an
/// infinite one makes a sum NaN that has it, and where a tap is shorter than a chunk, the sums of
/// the cells before it.
/// @tparam Number  BFloat16, with sums in float, or Int8, exact in 32 bits.
template <class Number>
class AmxConvolutionOf {
 public:
  /// @param weight    [C_out, C_in, k, k]
  /// @param bias      [C_out]
  /// @param rounding  of the input.
  AmxConvolutionOf(const Convolutional& c, const Shape& in, const float* weight, const float* bias,
                   const Rounding<Number>& rounding = {})
      : AmxConvolutionOf(c, in, rounding, [&](const AmxSteps<Number>& steps) {
          return DenseWeights<Number>(c, in.channels, weight, bias, rounding, steps.rows(),
                                      kAmxFilters,
                                      [&](int i, int cell) { return steps.row(i, cell); });
        }) {
    find_steps_left();
  }
  /// What `write` wrote of the same convolution.
  /// @throws Error  if it has a scale that is none, or steps that are none.
  AmxConvolutionOf(const Convolutional& c, const Shape& in, PlanReader& from)
      : AmxConvolutionOf(c, in, stored_rounding<Number>(from), [&](const AmxSteps<Number>& steps) {
          return DenseWeights<Number>(c, steps.rows(), kAmxFilters, from);
        }) {
    left_ = from.array<std::int32_t>();
    require_indices("steps", left_.values(), steps_.count() - 1, from.place());
    starts_ = from.array<std::int64_t>(static_cast<std::size_t>(weights_.panels()) + 1);
    require_starts("steps", starts_.values(), 0, static_cast<std::int64_t>(left_.size()),
                   from.place());
    for (std::int64_t panel = 0; panel < weights_.panels(); ++panel)
      require_ascending("steps", steps_left(panel), from.place());
  }

  void write(PlanWriter& to) const {
    store_rounding(rounding_, to);
    weights_.write(to);
    to.array(left_);
    to.array(starts_);
  }

  /// One group, with less padding than the kernel's size and a stride of at most 8, a rounded input
  /// that is in proportion to it, or small (io/limits.hpp), and of Int8 no more products than 32
  /// bits can add up.
  static bool fits(const Convolutional& c, const Shape& in) {
    if (c.groups != 1 || c.padding >= c.size || c.stride > 8) return false;
    return pads_little(in, c.padding, AmxSteps<Number>(c, in).depth()) &&
           can_add_up<Number>(std::int64_t{in.channels} * c.size * c.size);
  }

  [[nodiscard]] const Shape& output() const { return out_; }

  /// How the input lies rounded; none where steps read numbers behind a row, of which a map that
  /// somebody else writes knows nothing.
  [[nodiscard]] std::optional<RoundedLayout> reads() const {
    if (steps_.reads_on()) return {};
    return layout_;
  }

  /// Computes one image; as WinogradConvolution::run.
  /// @param x        [H, W, C_in]
  /// @param y        [H', W', C_out]
  /// @param rounded  as a RoundedForm (form.hpp); x as `reads` says.
  template <class Parallel>
  void run(const float* x, float* y, const Finish& finish, const Parallel& parallel, int threads,
           const RoundedMaps& rounded = {}) const {
    const auto in = rounded.x.data != nullptr
                        ? rounded.x
                        : round(MapRows<const float>::whole(x, in_), -conv_.padding,
                                in_.height + conv_.padding, parallel);
    const RowMaps<Number> maps{operands(in), {y}, {finish.residual}, finish, rounded};
    weights_.in_pieces(blocks_, parallel, threads,
                       [&](std::int64_t block, std::int64_t first_panel, std::int64_t last_panel) {
                         const auto rows = std::int64_t{out_.height};
                         run_block(maps, rows * block / blocks_, rows * (block + 1) / blocks_,
                                   first_panel, last_panel);
                       });
  }

  /// The rows that can be computed by themselves.
  [[nodiscard]] std::vector<Slice> slices() const { return even_slices(out_.height, kSliceRows); }
  /// Computes slice k on this thread.
  void run_slice(std::size_t k, const RowMaps<>& maps) const {
    const auto first = static_cast<std::int64_t>(k) * kSliceRows,
               last = std::min<std::int64_t>(first + kSliceRows, out_.height),
               top = first * conv_.stride - conv_.padding,
               end = (last - 1) * conv_.stride - conv_.padding + conv_.size;
    const auto in =
        maps.rounded.x.data != nullptr ? maps.rounded.x : round(maps.x, top, end, on_one_thread);
    run_block({operands(in), maps.y, maps.residual, maps.finish, maps.rounded}, first, last, 0,
              weights_.panels());
  }

 private:
  static constexpr int kSliceRows = 8;

  static Convolutional fitting(const Convolutional& c, const Shape& in) {
    require(fits(c, in), "convolution by tiles",
            "should be in one group, with less padding than its size, a stride of at most 8, no "
            "large map in its padding, and in int8 of at most 65536 products, got {} groups, "
            "padding {}, stride {} and {} times {}×{} on {} × {}",
            c.groups, c.padding, c.stride, in.channels, c.size, c.size, in.height, in.width);
    require(has_amx<Number>(), "plan",
            "should have no layer in {} by tiles on a machine without AMX",
            kTogether<Number> == 2 ? "bfloat16" : "int8");
    return c;
  }

  template <class WeightsOf>
  AmxConvolutionOf(const Convolutional& c, const Shape& in, const Rounding<Number>& rounding,
                   const WeightsOf& weights)
      : conv_(fitting(c, in)),
        in_(in),
        out_(output_shape(c, in)),
        steps_(c, in),
        rounding_(rounding),
        layout_{.shape = in,
                .padding = c.padding,
                .depth = steps_.depth(),
                .filled = steps_.filled(),
                .behind = kAmxRows * c.stride * steps_.depth() + steps_.reach()},
        weights_(weights(steps_)) {
    if constexpr (std::is_same_v<Number, Int8>) layout_.bytes = rounding.by;
    places_ = steps_.places(row_numbers());
    // Measured on YOLOv3's layers (a Xeon with 2 MB of nearer cache, weights from memory).
    constexpr std::int64_t kInput = 512 << 10,  // bytes of it that stay while weights pass by,
        kWeights = 768 << 10,                   // and of weights while tiles do;
        kMany = 2 << 20;                        // so many pass by once, a panel at a time
    constexpr std::int64_t kBytes = sizeof(Number);
    const auto weight_bytes = kBytes * steps_.rows() * c.filters;
    const auto of_panel = kBytes * static_cast<std::int64_t>(weights_.numbers(0, 1).size());
    panels_kept_ = weight_bytes > kMany ? 1 : std::max<std::int64_t>(1, kWeights / of_panel);
    const auto rows = std::clamp<std::int64_t>(
        std::max(kInput, weight_bytes / 8) / (kBytes * row_numbers() * c.stride), 1, out_.height);
    blocks_ = (out_.height + rows - 1) / rows;
  }

  void find_steps_left() {
    constexpr unsigned kNotSign = kTogether<Number> == 2 ? 0x7fffU : 0xffU;  // −0 is a zero, too
    std::vector<std::int32_t> left;
    std::vector<std::int64_t> starts{0};
    for (std::int64_t panel = 0; panel < weights_.panels(); ++panel) {
      const auto weights = weights_.numbers(panel, panel + 1);
      const auto steps = static_cast<std::size_t>(steps_.count()), of_step = weights.size() / steps;
      for (std::size_t step = 0; step < steps; ++step)
        if (std::ranges::any_of(weights.subspan(step * of_step, of_step),
                                [](Number w) { return (w.bits & kNotSign) != 0; }))
          left.push_back(static_cast<std::int32_t>(step));
      starts.push_back(static_cast<std::int64_t>(left.size()));
    }
    left_ = std::move(left);
    starts_ = std::move(starts);
  }
  [[nodiscard]] std::span<const std::int32_t> steps_left(std::int64_t panel) const {
    const auto p = static_cast<std::size_t>(panel);
    return left_.values().subspan(static_cast<std::size_t>(starts_[p]),
                                  static_cast<std::size_t>(starts_[p + 1] - starts_[p]));
  }

  /// Numbers from one cell of the rounded input to the next, and from one row to the next.
  [[nodiscard]] std::int64_t depth() const { return layout_.depth; }
  [[nodiscard]] std::int64_t row_numbers() const { return layout_.across() * depth(); }

  /// Rows that are rounded already; those of the padding count.
  [[nodiscard]] MapRows<const Number> operands(const RoundedRows& x) const {
    return {reinterpret_cast<const Number*>(x.data), x.first + conv_.padding};
  }

  /// Rounds rows first … last − 1 of the input, those of the padding among them, into this thread's
  /// scratch.
  template <class Parallel>
  [[nodiscard]] RoundedRows round(const MapRows<const float>& x, std::int64_t first,
                                  std::int64_t last, const Parallel& parallel) const {
    const auto begin = std::max<std::int64_t>(first, 0),
               end = std::min<std::int64_t>(last, in_.height);
    // The padding above and below comes as a whole.
    if (begin == 0) first = -conv_.padding;
    if (end == in_.height) last = in_.height + conv_.padding;
    const auto numbers = (last - first) * row_numbers();
    auto* to = scratch<Number>(Scratch::kFirst, static_cast<std::size_t>(numbers + layout_.behind));
    if (steps_.reads_on()) std::fill_n(to + numbers, layout_.behind, Number());
    const RoundedRows rows{reinterpret_cast<std::byte*>(to), first, layout_};
    round_rows(rounding_, x, rows, begin, end, parallel);
    return rows;
  }

  /// From the positions of a row of the output to the next row's. With stride 1 all rows are one
  /// run of positions, those in the padding between them included; else each has tiles of its own.
  [[nodiscard]] std::int64_t across() const {
    if (conv_.stride == 1) return layout_.across();
    return std::int64_t{out_.width + kAmxRows - 1} / kAmxRows * kAmxRows;
  }

  void run_block(const RowMaps<Number>& maps, std::int64_t first, std::int64_t last,
                 std::int64_t first_panel, std::int64_t last_panel) const {
    if (first_panel == 0) maps.rounded.pad(first, last);
    const auto& x = maps.x;
    const auto across = this->across(), positions = (last - first - 1) * across + out_.width;
    const auto* from = x.data + (first * conv_.stride - x.first) * row_numbers();
    const auto in = [&](std::int64_t position) {
      return from + position / across * conv_.stride * row_numbers() +
             position % across * conv_.stride * depth();
    };
    const auto& kernels = amx_kernels_here<Number>();

    AmxJob<Number> job;
    job.position_step = conv_.stride * depth();
    job.places = places_.data();
    const CellMaps cells(maps, out_, first);
    constexpr std::int64_t kPair = 2 * kAmxRows;
    const auto pairs = static_cast<std::size_t>((positions + kPair - 1) / kPair);
    AmxPipeline<Number> pipeline;
    kernels.begin();
    // Some panels of weights stay in the cache while the tiles pass by, and what a pair of tiles
    // makes of them lies side by side. Meanwhile the next weights, or tiles, are asked for.
    for (auto kept = first_panel; kept < last_panel; kept += panels_kept_) {
      const auto end = std::min(kept + panels_kept_, last_panel);
      const auto weights = weights_ahead(end, std::min(end + panels_kept_, last_panel));
      const auto panels = static_cast<std::size_t>(end - kept);
      for (std::size_t pair = 0; pair < pairs; ++pair) {
        const auto begin = static_cast<std::int64_t>(pair) * kPair,
                   count = std::min(kPair, positions - begin);
        const bool is_whole = count > kAmxRows;
        job.in = {in(begin), in(begin + (is_whole ? kAmxRows : 0))};
        job.positions = {static_cast<int>(begin / across), static_cast<int>(begin % across),
                         static_cast<int>(count), out_.width, static_cast<int>(across)};
        std::span<const Number> tiles;  // of the next pair, what no tile has read yet
        if (weights.empty() && pair + 1 < pairs)
          tiles = {in(begin + kPair) + (conv_.size - 1) * row_numbers(),
                   static_cast<std::size_t>(kPair * conv_.stride * depth())};
        for (auto panel = kept; panel < end; ++panel) {
          const auto nth = static_cast<std::size_t>(panel - kept);
          weights_.give(panel, job);
          job.steps = steps_left(panel);
          cells.give(weights_.filter(panel), job);
          job.ahead = weights.empty() ? part(tiles, nth, panels)
                                      : part(weights, pair * panels + nth, pairs * panels);
          const auto vectors = static_cast<std::size_t>(weights_.vectors(panel));
          kernels.multiply[is_whole ? 1 : 0][vectors - 1](job, pipeline);
        }
      }
    }
    kernels.end(pipeline);
  }

  /// The nth of so many parts of some numbers.
  static std::span<const Number> part(std::span<const Number> all, std::size_t nth,
                                      std::size_t parts) {
    const auto begin = all.size() * nth / parts;
    return all.subspan(begin, all.size() * (nth + 1) / parts - begin);
  }

  /// The weights of some panels, if they are worth being asked for ahead: all of them are read, and
  /// they are not there from the last block.
  [[nodiscard]] std::span<const Number> weights_ahead(std::int64_t begin, std::int64_t end) const {
    const auto steps = static_cast<std::size_t>(weights_.panels() * steps_.count());
    if (panels_kept_ > 1 || begin == end || left_.size() < steps) return {};
    return weights_.numbers(begin, end);
  }

  Convolutional conv_;
  Shape in_, out_;
  AmxSteps<Number> steps_;
  std::vector<std::ptrdiff_t> places_;  // where each step begins to read
  std::int64_t blocks_ = 1, panels_kept_ = 1;
  Rounding<Number> rounding_;         // of the input
  RoundedLayout layout_;              // of the rounded input; behind it tiles end that are not full
  DenseWeights<Number> weights_;      // [steps_.rows(), C_out]
  StoredArray<std::int32_t> left_;    // steps, panel by panel
  StoredArray<std::int64_t> starts_;  // of a panel's, and the end of the last's
};

}  // namespace serpette::deploy
