#pragma once

/// @file
/// Dense convolution over channels-last maps as a matrix product. No LibTorch.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/deploy/cell_finish.hpp"
#include "serpette/deploy/dense_weights.hpp"
#include "serpette/deploy/dot_kernels.hpp"
#include "serpette/deploy/output_shape.hpp"
#include "serpette/deploy/packed_matrix.hpp"
#include "serpette/deploy/plan_archive.hpp"
#include "serpette/deploy/round_rows.hpp"
#include "serpette/deploy/rounded_map.hpp"
#include "serpette/deploy/scratch.hpp"
#include "serpette/deploy/slice.hpp"
#include "serpette/deploy/stored_rounding.hpp"
#include "serpette/graph/graph.hpp"

namespace serpette::deploy {

/// y = finish(w ∗ x + b), channels-last, any size, stride and padding, one group.
///
/// Each cell of the output is a row of a matrix product whose inner dimension is taps · channels;
/// the rows of the input are read where they lie, through one pointer per tap (XNNPACK's
/// indirection: Dukhan 2019), so nothing is copied. A block of cells stays in the cache while the
/// panels of weights pass by. The order of summation depends on nothing but the layer.
/// @tparam Number  float, BFloat16 or Int8: operands are rounded to it, the input as a whole first.
///                 Sums stay in float, or are exact in 32 bits.
template <class Number>
class DirectConvolutionOf {
 public:
  /// @param weight    [C_out, C_in, k, k]
  /// @param bias      [C_out]
  /// @param rounding  of the input.
  DirectConvolutionOf(const Convolutional& c, const Shape& in, const float* weight,
                      const float* bias, const Rounding<Number>& rounding = {})
      : DirectConvolutionOf(c, in, rounding, [&](std::int64_t depth, int lanes) {
          return DenseWeights<Number>(c, in.channels, weight, bias, rounding,
                                      c.size * c.size * depth, lanes,
                                      [=](int i, int tap) { return tap * depth + i; });
        }) {}
  /// What `write` wrote of the same convolution.
  /// @throws Error  if it has a scale that is none.
  DirectConvolutionOf(const Convolutional& c, const Shape& in, PlanReader& from)
      : DirectConvolutionOf(c, in, stored_rounding<Number>(from),
                            [&](std::int64_t depth, int lanes) {
                              return DenseWeights<Number>(c, c.size * c.size * depth, lanes, from);
                            }) {}

  void write(PlanWriter& to) const {
    store_rounding(rounding_, to);
    weights_.write(to);
  }

  /// One group; of Int8 no more products than 32 bits can add up.
  static bool fits(const Convolutional& c, const Shape& in) {
    return c.groups == 1 && can_add_up<Number>(std::int64_t{in.channels} * c.size * c.size);
  }

  [[nodiscard]] const Shape& output() const { return out_; }

  /// How the input lies rounded.
  [[nodiscard]] std::optional<RoundedLayout> reads() const
    requires(kTogether<Number> > 1)
  {
    return layout_;
  }

  /// Computes one image; as WinogradConvolution::run.
  /// @param x        [H, W, C_in]
  /// @param y        [H', W', C_out]
  /// @param rounded  as a RoundedForm (form.hpp); x as `reads` says.
  template <class Parallel>
  void run(const float* x, float* y, const Finish& finish, const Parallel& parallel, int threads,
           const RoundedMaps& rounded = {}) const {
    rounded.pad(0, out_.height);
    const RowMaps<Number> maps{
        operands(MapRows<const float>::whole(x, in_), rounded.x, 0, in_.height, parallel),
        {y},
        {finish.residual},
        finish,
        rounded};
    const auto blocks = this->blocks(threads);
    weights_.in_pieces(blocks, parallel, threads,
                       [&](std::int64_t block, std::int64_t first_panel, std::int64_t last_panel) {
                         run_block(maps, cut(cells(), block, blocks),
                                   cut(cells(), block + 1, blocks), first_panel, last_panel);
                       });
  }

  /// The rows that can be computed by themselves.
  [[nodiscard]] std::vector<Slice> slices() const { return even_slices(out_.height, kSliceRows); }
  /// Computes slice k on this thread.
  void run_slice(std::size_t k, const RowMaps<>& maps) const {
    const auto row = static_cast<std::int64_t>(k) * kSliceRows, width = std::int64_t{out_.width},
               end = std::min<std::int64_t>(row + kSliceRows, out_.height), first = row * width,
               count = (end - row) * width,
               blocks = std::max<std::int64_t>(1, count * blocks_ / cells());
    maps.rounded.pad(row, end);
    const auto top = row * conv_.stride - conv_.padding,
               bottom = (end - 1) * conv_.stride - conv_.padding + conv_.size;
    const RowMaps<Number> mine{operands(maps.x, maps.rounded.x, std::max<std::int64_t>(top, 0),
                                        std::min<std::int64_t>(bottom, in_.height), on_one_thread),
                               maps.y, maps.residual, maps.finish, maps.rounded};
    for (std::int64_t b = 0; b < blocks; ++b)
      run_block(mine, first + cut(count, b, blocks), first + cut(count, b + 1, blocks), 0,
                weights_.panels());
  }

 private:
  static constexpr int kSliceRows = 7;
  static constexpr std::int64_t kFewCells = 24;  // of a block: two of the largest blocks of rows

  static Convolutional fitting(const Convolutional& c, const Shape& in) {
    require(fits(c, in), "direct convolution",
            "should be in one group, and in int8 of at most 65536 products, got {} groups and "
            "{} times {}×{}",
            c.groups, in.channels, c.size, c.size);
    return c;
  }

  /// @param weights  (depth, lanes) → the weights, depth rows for each tap.
  template <class WeightsOf>
  DirectConvolutionOf(const Convolutional& c, const Shape& in, const Rounding<Number>& rounding,
                      const WeightsOf& weights)
      : kernels_(&product_kernels_here<Number>()),
        conv_(fitting(c, in)),
        in_(in),
        out_(output_shape(c, in)),
        depth_((in.channels + kTogether<Number> - 1) / kTogether<Number> * kTogether<Number>),
        rounding_(rounding),
        layout_{.shape = in, .depth = depth_, .filled = depth_},
        weights_(weights(depth_, kernels_->lanes)) {
    if constexpr (std::is_same_v<Number, Int8>) layout_.bytes = rounding.by;
    // Of few channels a tap is too short: those of a row of the kernel, side by side in an input
    // that is rounded anyway, are one then, with padding around the rows.
    constexpr std::int64_t kShort = 32;
    const bool is_short = kTogether<Number> > 1 && c.size * depth_ <= kShort &&
                          c.padding < c.size && pads_little(in, c.padding, depth_);
    if (is_short) layout_.padding = c.padding;
    taps_ = is_short ? c.size : c.size * c.size;
    zeros_.assign(static_cast<std::size_t>(c.size * depth_), rounding(0.0F));
    // So much of the input stays in the cache while the weights pass by; where these are many, they
    // had better pass by once.
    const auto weight_bytes =
        static_cast<std::int64_t>(sizeof(Number)) * c.size * c.size * depth_ * c.filters;
    are_few_weights_ = weight_bytes <= 512 << 10;
    const auto kept = std::max<std::int64_t>(256 << 10, weight_bytes / 8);
    const auto bytes = std::int64_t{sizeof(Number)} * depth_ * c.stride * c.stride;
    const auto wanted = std::clamp<std::int64_t>(kept / bytes, kFewCells, 480);
    blocks_ = (cells() + wanted - 1) / wanted;
  }

  /// Whether a cell is computed from the one in the same place: where the rows of all lie one
  /// behind the other.
  [[nodiscard]] bool is_flat() const {
    return conv_.size == 1 && conv_.stride == 1 && conv_.padding == 0 && layout_.padding == 0;
  }
  [[nodiscard]] std::int64_t cells() const { return std::int64_t{out_.height} * out_.width; }

  /// Blocks of cells: those that the cache wants, and as many for each thread, but neither small
  /// ones nor such that each thread fetches many weights: then threads share out the weights.
  [[nodiscard]] std::int64_t blocks(int threads) const {
    if (blocks_ < threads && !are_few_weights_) return blocks_;
    return std::clamp(cells() / kFewCells, blocks_, (blocks_ + threads - 1) / threads * threads);
  }

  /// The cell with which block b of so many begins.
  [[nodiscard]] std::int64_t cut(std::int64_t cells, std::int64_t b, std::int64_t blocks) const {
    return RowBlocks<Number>::cut(cells, b, blocks, *kernels_);
  }

  /// The input as the kernels read it, [rows][cells and padding][depth_]: itself, if it is floats
  /// that are multiplied or rounded already; or rows begin … end − 1, rounded in this thread's
  /// scratch.
  template <class Parallel>
  [[nodiscard]] MapRows<const Number> operands(const MapRows<const float>& x,
                                               [[maybe_unused]] const RoundedRows& rounded,
                                               [[maybe_unused]] std::int64_t begin,
                                               [[maybe_unused]] std::int64_t end,
                                               [[maybe_unused]] const Parallel& parallel) const {
    if constexpr (kTogether<Number> == 1) {
      return x;
    } else {
      if (rounded.data != nullptr)
        return {reinterpret_cast<const Number*>(rounded.data), rounded.first};
      if (end <= begin) return {nullptr, begin};
      const std::int64_t padding = layout_.padding;
      auto* to = scratch<Number>(
          Scratch::kFirst,
          static_cast<std::size_t>((end - begin + 2 * padding) * layout_.across() * depth_));
      const RoundedRows rows{reinterpret_cast<std::byte*>(to), begin - padding, layout_};
      round_rows(rounding_, x, rows, begin, end, parallel);
      return {to, rows.first};
    }
  }

  /// Where the operands of a block's cells lie: those under each tap of each cell of the output, or
  /// zeros outside the map.
  /// @param to  [blocks of rows][tap][row]
  void find_places(const MapRows<const Number>& x, std::int64_t first,
                   const RowBlocks<Number>& rows, const Number** to) const {
    if (is_flat()) {
      const Number* in = x.data + (first - x.first * out_.width) * depth_;
      for (std::int64_t b = 0; b < rows.count(); ++b)
        for (int r = 0; r < rows.size(b); ++r) *to++ = in + (rows.first(b) + r) * depth_;
      return;
    }
    for (std::int64_t b = 0; b < rows.count(); ++b) {
      const int of_block = rows.size(b);
      auto y = (first + rows.first(b)) / out_.width, column = (first + rows.first(b)) % out_.width;
      for (int r = 0; r < of_block; ++y, column = 0) {
        const auto count = std::min<std::int64_t>(of_block - r, out_.width - column);
        find_places(x, y, column, count, of_block, to + r);
        r += static_cast<int>(count);
      }
      to += taps_ * of_block;
    }
  }

  /// The same for `count` cells that lie side by side in row y of the output.
  /// @param pitch  from one tap's places to the next one's.
  void find_places(const MapRows<const Number>& x, std::int64_t y, std::int64_t column,
                   std::int64_t count, int pitch, const Number** to) const {
    const std::int64_t padding = layout_.padding, across = layout_.across(), stride = conv_.stride,
                       top = y * stride - conv_.padding, left = column * stride - conv_.padding,
                       taps = taps_ / conv_.size;
    const auto is_inside = [&](std::int64_t j) { return j >= -padding && j < in_.width + padding; };
    for (auto i = top; i < top + conv_.size; ++i)
      for (auto j = left; j < left + taps; ++j) {
        const Number** const places = to + ((i - top) * taps + j - left) * pitch;
        if (i < 0 || i >= in_.height) {
          std::fill_n(places, count, zeros_.data());
          continue;
        }
        const Number* row = x.data + ((i - x.first) * across + padding) * depth_;
        if (is_inside(j) && is_inside(j + (count - 1) * stride)) {
          for (std::int64_t k = 0; k < count; ++k) places[k] = row + (j + k * stride) * depth_;
        } else {
          for (std::int64_t k = 0; k < count; ++k)
            places[k] = is_inside(j + k * stride) ? row + (j + k * stride) * depth_ : zeros_.data();
        }
      }
  }

  void run_block(const RowMaps<Number>& maps, std::int64_t first, std::int64_t last,
                 std::int64_t first_panel, std::int64_t last_panel) const {
    const RowBlocks rows(last - first, *kernels_, LastBlock::kEqual);
    thread_local std::vector<const Number*> places;
    places.resize(static_cast<std::size_t>(rows.count() * taps_ * rows.size(0)));
    find_places(maps.x, first, rows, places.data());

    const auto first_row = first / out_.width;
    MultiplyJob<Number> job;
    job.taps = taps_;
    job.depth = conv_.size * conv_.size / taps_ * depth_;
    job.positions.width = job.positions.across = out_.width;
    const CellMaps cells(maps, out_, first_row);
    // While a block of rows is computed for the first time, the next one's, which lie behind it,
    // are asked for. Measured (Zen 4): in less than 128 steps that takes longer than it saves.
    const bool asks = is_flat() && depth_ >= 128 * kTogether<Number>;
    job.ahead_step = rows.size(0) * kTogether<Number>;
    for (auto panel = first_panel; panel < last_panel; ++panel) {
      weights_.give(panel, job);
      cells.give(weights_.filter(panel), job);
      for (std::int64_t b = 0; b < rows.count(); ++b) {
        const auto cell = first + rows.first(b);
        job.in = places.data() + b * taps_ * rows.size(0);
        job.positions.row = static_cast<int>(cell / out_.width - first_row);
        job.positions.column = static_cast<int>(cell % out_.width);
        job.positions.count = rows.size(b);
        const bool fetches = asks && panel == first_panel && b + 1 < rows.count();
        if (fetches) job.ahead = job.in[taps_ * rows.size(b)];
        rows.kernel(b, weights_.vectors(panel), fetches)(job);
      }
    }
  }

  const ProductKernels<Number>* kernels_;
  Convolutional conv_;
  Shape in_, out_;
  std::int64_t depth_;  // C_in in whole operands of an instruction
  std::int64_t blocks_ = 1;
  bool are_few_weights_ = false;
  int taps_ = 1;                  // of the kernel: its cells, or its rows, where those are short
  Rounding<Number> rounding_;     // of the input
  RoundedLayout layout_;          // of the input, with padding where rows of the kernel are taps
  DenseWeights<Number> weights_;  // [taps · depth, C_out]
  std::vector<Number> zeros_;     // what lies outside the map
};

using DirectConvolution = DirectConvolutionOf<float>;

}  // namespace serpette::deploy
