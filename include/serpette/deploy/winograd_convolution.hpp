#pragma once

/// @file
/// Winograd's convolution of 3×3 with stride 1. No LibTorch.

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/deploy/cell_finish.hpp"
#include "serpette/deploy/dot_kernels.hpp"
#include "serpette/deploy/output_shape.hpp"
#include "serpette/deploy/packed_matrix.hpp"
#include "serpette/deploy/plan_archive.hpp"
#include "serpette/deploy/rounded_map.hpp"
#include "serpette/deploy/scratch.hpp"
#include "serpette/deploy/slice.hpp"
#include "serpette/deploy/stored_array.hpp"
#include "serpette/deploy/winograd_tiles.hpp"
#include "serpette/deploy/winograd_weights.hpp"
#include "serpette/graph/graph.hpp"

namespace serpette::deploy {

/// y = finish(w ∗ x + b) for 3×3 with stride 1, channels-last, by F(4×4, 3×3):
///   Y = Aᵀ [ Σ_c (G w Gᵀ) ⊙ (Bᵀ d B) ] A
/// for every 4×4 tile of the output, d being the 6×6 cells that it reads: 36 multiplications in
/// place of 144. The products over the channels are 36 matrix products [tiles, C_in]·[C_in, C_out],
/// for as many tiles at a time as the cache holds. Weights are transformed once, and take four
/// times the memory. In float the error is some 10⁻⁶ of the largest output. The order of summation
/// depends on nothing but the channels. Sources: Lavin and Gray 2016; points of Barabasz et al.
/// 2020.
/// @tparam Number  float, or BFloat16: what is transformed, the operands of the products, is
/// rounded
///                 to it; transforms and sums stay in float.
template <class Number>
class WinogradConvolutionOf {
 public:
  /// @param c       3×3, stride 1, one group.
  /// @param in      shape of the input.
  /// @param weight  [C_out, C_in, 3, 3]
  /// @param bias    [C_out]
  WinogradConvolutionOf(const Convolutional& c, const Shape& in, const float* weight,
                        const float* bias)
      : WinogradConvolutionOf(
            c, in,
            [&](std::size_t whole) {
              std::vector<float> biases(whole, 0.0F);
              std::copy_n(bias, c.filters, biases.begin());
              return biases;
            },
            [&](std::int64_t rows, int lanes) {
              return PackedMatrix<Number>(rows, c.filters, lanes);
            }) {
    transform(weight);
  }
  /// What `write` wrote of the same convolution.
  WinogradConvolutionOf(const Convolutional& c, const Shape& in, PlanReader& from)
      : WinogradConvolutionOf(
            c, in, [&](std::size_t whole) { return from.array<float>(whole); },
            [&](std::int64_t rows, int lanes) {
              return PackedMatrix<Number>(rows, c.filters, lanes, from);
            }) {}

  void write(PlanWriter& to) const {
    to.array(bias_);
    weights_.write(to);
  }

  static bool fits(const Convolutional& c) { return fits_winograd(c); }

  [[nodiscard]] const Shape& output() const { return out_; }

  /// How the input lies rounded.
  [[nodiscard]] std::optional<RoundedLayout> reads() const
    requires(kTogether<Number> > 1)
  {
    return RoundedLayout{.shape = in_, .depth = depth(), .filled = depth()};
  }

  /// Computes one image.
  /// @param x         [H, W, C_in]
  /// @param y         [H', W', C_out]
  /// @param finish    its residual is laid out like y.
  /// @param parallel  parallel(count, f) calls f(begin, end) for ranges that make up [0, count),
  ///                  perhaps at the same time.
  /// @param threads   that `parallel` uses.
  /// @param rounded   as a RoundedForm (form.hpp); x as `reads` says.
  template <class Parallel>
  void run(const float* x, float* y, const Finish& finish, const Parallel& parallel, int threads,
           const RoundedMaps& rounded = {}) const {
    const RowMaps<> maps{{x}, {y}, {finish.residual}, finish, rounded};
    rounded.pad(0, out_.height);
    // Each thread its own blocks, if there are enough, or tiles but too few panels to be shared.
    const bool are_few = weights_.panels() < threads && tiles() >= 12 * threads;
    if (threads == 1 || blocks_ >= 2 * threads || are_few) {
      const auto rounds = (blocks_ + threads - 1) / threads * threads;  // as many for each thread
      parallel(rounds, [&](std::int64_t begin, std::int64_t end) {
        for (auto b = begin; b < end; ++b)
          run_block(maps, cut(tiles(), b, rounds), cut(tiles(), b + 1, rounds), on_one_thread);
      });
      return;
    }
    for (std::int64_t b = 0; b < blocks_; ++b)
      run_block(maps, cut(tiles(), b, blocks_), cut(tiles(), b + 1, blocks_), parallel);
  }

  /// The rows that can be computed by themselves: so many rows of tiles as make a block.
  [[nodiscard]] std::vector<Slice> slices() const { return even_slices(out_.height, slice_rows()); }
  /// Computes slice k on this thread.
  void run_slice(std::size_t k, const RowMaps<>& maps) const {
    const auto of_slice = std::int64_t{slice_rows()} / 4 * tile_columns(),
               first = static_cast<std::int64_t>(k) * of_slice,
               count = std::min(of_slice, tiles() - first),
               blocks = std::max<std::int64_t>(1, count * blocks_ / tiles());
    const auto row = first / tile_columns() * 4;
    maps.rounded.pad(row, std::min<std::int64_t>(row + slice_rows(), out_.height));
    for (std::int64_t b = 0; b < blocks; ++b)
      run_block(maps, first + cut(count, b, blocks), first + cut(count, b + 1, blocks),
                on_one_thread);
  }

 private:
  // Panels that are computed together: what is made of them lies in the cache until it is taken
  // back, and rows of the transformed input that do not stay in the nearest one pass by less often.
  static constexpr std::int64_t kPanels = 4;
  static constexpr std::int64_t kFewTiles = 24;    // as YOLOv3's last maps have
  static constexpr std::int64_t kNear = 16 << 10;  // bytes: half of the nearest cache

  static Convolutional fitting(const Convolutional& c) {
    require(fits(c), "Winograd convolution",
            "should be 3×3 with stride 1 in one group, got {}×{} with stride {} in {} groups",
            c.size, c.size, c.stride, c.groups);
    return c;
  }

  /// @param bias     (so many, whole vectors) → the biases.
  /// @param weights  (rows, lanes) → their matrix.
  template <std::invocable<std::size_t> BiasOf, class WeightsOf>
  WinogradConvolutionOf(const Convolutional& c, const Shape& in, const BiasOf& bias,
                        const WeightsOf& weights)
      : kernels_(&product_kernels_here<Number>()),
        in_(in),
        out_(output_shape(fitting(c), in)),
        padding_(c.padding),
        bias_(bias(static_cast<std::size_t>(whole(c.filters)))),
        weights_(weights(std::int64_t{36} * depth(), kernels_->lanes)),
        zeros_(static_cast<std::size_t>(whole(in.channels)), 0.0F) {
    // So many tiles that their transforms, and what becomes of one panel's, about stay in the cache
    // (measured: Zen 4, 1 MB); more where the weights would pass by too often.
    constexpr std::int64_t kCache = 640 << 10;
    const std::int64_t least = in_.channels * out_.channels < 65'536 ? 24 : 64;
    const std::int64_t bytes =
        36 * (std::int64_t{sizeof(Number)} * whole(in_.channels) + 4 * 2 * kernels_->lanes);
    const auto wanted = std::clamp<std::int64_t>(kCache / bytes, least, 480);
    blocks_ = (tiles() + wanted - 1) / wanted;
  }

  [[nodiscard]] std::int64_t whole(int channels) const {
    return (channels + kernels_->lanes - 1) / kernels_->lanes * kernels_->lanes;
  }
  /// Channels of the input, in whole pairs.
  [[nodiscard]] int depth() const {
    return (in_.channels + kTogether<Number> - 1) / kTogether<Number> * kTogether<Number>;
  }
  /// The tile with which block b of so many begins.
  [[nodiscard]] std::int64_t cut(std::int64_t tiles, std::int64_t b, std::int64_t blocks) const {
    return RowBlocks<Number>::cut(tiles, b, blocks, *kernels_);
  }
  /// The first row and column of tile t.
  [[nodiscard]] int tile_row(std::int64_t t) const {
    return static_cast<int>(t / tile_columns()) * 4;
  }
  [[nodiscard]] int tile_column(std::int64_t t) const {
    return static_cast<int>(t % tile_columns()) * 4;
  }
  [[nodiscard]] int tile_columns() const { return WinogradTiles(out_).columns; }
  [[nodiscard]] std::int64_t tiles() const { return WinogradTiles(out_).count(); }
  [[nodiscard]] int slice_rows() const {
    const auto tile_rows = std::int64_t{WinogradTiles(out_).rows} / blocks_;
    return 4 * static_cast<int>(std::max<std::int64_t>(1, tile_rows));
  }

  void transform(const float* weight) {
    const int filters = out_.channels,
              side = std::min(KernelTransform::kMost, weights_.side_by_side());
    KernelTransform transform;
    for (int first = 0; first < filters; first += side) {
      const int count = std::min(side, filters - first);
      for (int c = 0; c < in_.channels; ++c) {
        for (int f = 0; f < count; ++f)
          transform.set(f, weight + (std::int64_t{first + f} * in_.channels + c) * 9);
        transform.run();
        for (std::size_t k = 0; k < 36; ++k)
          weights_.fill(static_cast<std::int64_t>(k) * depth() + c, first, count,
                        [&](int f) { return transform.point(k)[static_cast<std::size_t>(f)]; });
      }
    }
  }

  template <class Parallel>
  void run_block(const RowMaps<>& maps, std::int64_t first, std::int64_t last,
                 const Parallel& parallel) const {
    const auto count = last - first;
    // One line of the cache more, or the 36 matrices would lie in the same places of it.
    const auto step = count * whole(in_.channels) + std::int64_t{64 / sizeof(Number)};
    auto* in = scratch<Number>(Scratch::kFirst, static_cast<std::size_t>(36 * step));
    parallel(count, [&](std::int64_t begin, std::int64_t end) {
      if constexpr (kTogether<Number> > 1)
        if (const auto& x = maps.rounded.x; x.data != nullptr) {
          const MapRows<const Number> rows{reinterpret_cast<const Number*>(x.data), x.first};
          transform_tiles(rows, depth(), dot_kernels_here<Number>().rounded_tile_in, first, begin,
                          end, in, step);
          return;
        }
      transform_tiles(maps.x, in_.channels, kernels_->tile_in, first, begin, end, in, step);
    });
    parallel(weights_.panels(), [&](std::int64_t begin, std::int64_t end) {
      for (auto panel = begin; panel < end; panel += kPanels)
        run_panels(maps, first, count, in, step, panel, std::min(panel + kPanels, end));
    });
  }

  /// Takes tiles first + begin … first + end − 1 to the transform domain.
  /// @param depth  numbers from one cell of x to the next.
  template <class In, class TileIn>
  void transform_tiles(const MapRows<const In>& x, std::int64_t depth, const TileIn& tile_in,
                       std::int64_t first, std::int64_t begin, std::int64_t end, Number* to,
                       std::int64_t step) const {
    TileInJob<In, Number> job;
    job.image = x.data;
    job.image_row = x.first;
    job.height = in_.height;
    job.width = in_.width;
    job.channels = in_.channels;
    job.depth = depth;
    job.zeros = reinterpret_cast<const In*>(zeros_.data());
    job.step = step;
    for (auto t = begin; t < end; ++t) {
      job.row = tile_row(first + t) - padding_;
      job.column = tile_column(first + t) - padding_;
      job.to = to + t * whole(in_.channels);
      tile_in(job);
    }
  }

  /// The filters of some panels, of `count` tiles whose input is transformed.
  void run_panels(const RowMaps<>& maps, std::int64_t first, std::int64_t count, const Number* in,
                  std::int64_t step_in, std::int64_t begin, std::int64_t end) const {
    const auto width = [&](std::int64_t panel) {
      return std::int64_t{weights_.vectors(panel)} * kernels_->lanes;
    };
    const auto columns = weights_.column(end - 1) + width(end - 1) - weights_.column(begin),
               step = count * columns + 16;
    float* products = scratch(Scratch::kSecond, static_cast<std::size_t>(36 * step));
    const RowBlocks rows(count, *kernels_, LastBlock::kSmall);
    std::array<const Number*, 16> from{};
    MultiplyJob<Number> job;
    job.in = from.data();
    job.depth = depth();
    job.pitch = columns;
    for (int k = 0; k < 36; ++k)
      for (auto panel = begin; panel < end; ++panel) {
        job.columns = static_cast<int>(width(panel));
        const std::int64_t of_point = depth() * width(panel);
        job.weights = weights_.panel(panel) + k * of_point;
        // Weights that leave room in the nearest cache, or are all that is waited for since tiles
        // are few, are asked for ahead: by each block its share of those that come next.
        const bool is_last = panel + 1 == end;
        const bool fetches =
            !(is_last && k == 35) &&
            (count <= kFewTiles || std::int64_t{sizeof(Number)} * of_point <= kNear);
        const Number* next = is_last ? weights_.panel(begin) + (k + 1) * depth() * width(begin)
                                     : weights_.panel(panel + 1) + k * depth() * width(panel + 1);
        job.ahead_step = job.columns * kTogether<Number> / rows.count();
        for (std::int64_t b = 0; b < rows.count(); ++b) {
          const auto row = rows.first(b);
          job.ahead = next + b * job.ahead_step * depth() / kTogether<Number>;
          for (int r = 0; r < rows.size(b); ++r)
            from[static_cast<std::size_t>(r)] = in + k * step_in + (row + r) * whole(in_.channels);
          job.out =
              products + k * step + row * columns + weights_.column(panel) - weights_.column(begin);
          rows.kernel(b, weights_.vectors(panel), fetches)(job);
        }
      }
    for (auto panel = begin; panel < end; ++panel) {
      const auto filter = weights_.column(panel);
      TileOutJob job_out;
      job_out.from = products + filter - weights_.column(begin);
      job_out.step = step;
      job_out.bias = bias_.data() + filter;
      job_out.channels = static_cast<int>(std::min(width(panel), out_.channels - filter));
      CellFinish cells;
      CellMaps(maps, out_, tile_row(first)).give(filter, cells);
      cells.columns = job_out.channels;
      if (cells.has_rounded())
        store_rounded_tiles(cells, first, count, columns, job_out);
      else
        store_tiles(maps, first, count, filter, columns, job_out);
    }
  }

  /// Takes `count` tiles of up to two vectors of filters back.
  /// @param columns  from one tile's products to the next's.
  void store_tiles(const RowMaps<>& maps, std::int64_t first, std::int64_t count,
                   std::int64_t filter, std::int64_t columns, TileOutJob job) const {
    job.pitch = out_.channels;
    job.width = out_.width;
    job.finish = maps.finish;
    job.asks_ahead = true;
    for (auto t = first; t < first + count; ++t, job.from += columns) {
      const auto in = [&](const auto& map) {
        return map.data +
               ((tile_row(t) - map.first) * out_.width + tile_column(t)) * out_.channels + filter;
      };
      job.out = in(maps.y);
      if (maps.residual.data != nullptr) job.finish.residual = in(maps.residual);
      job.rows = std::min(4, out_.height - tile_row(t));
      job.columns = std::min(4, out_.width - tile_column(t));
      dense_kernels_here().tile_out(job);
    }
  }

  /// The same into rounded maps, by way of floats in the nearest cache.
  /// @param maps  from the first tile's row on.
  void store_rounded_tiles(const CellFinish& maps, std::int64_t first, std::int64_t count,
                           std::int64_t columns, TileOutJob job) const {
    constexpr int kPair = 32;  // filters of a cell, as the kernel wants them
    alignas(64) float sums[16 * kPair] = {};
    job.out = sums;
    job.pitch = kPair;
    for (auto t = first; t < first + count; ++t, job.from += columns) {
      const int row = tile_row(t) - tile_row(first), column = tile_column(t);
      job.rows = std::min(4, out_.height - tile_row(t));
      job.columns = job.width = std::min(4, out_.width - column);
      dense_kernels_here().tile_out(job);

      // The tile by itself, with the rest of its rows around it.
      CellFinish tile = maps;
      tile.positions = {0, 0, job.rows * job.columns, job.columns, job.columns};
      tile.around = out_.width - job.columns;
      const auto begin = (std::int64_t{row} * out_.width + column) * maps.pitch;
      if (tile.out != nullptr) tile.out += begin;
      if (tile.finish.residual != nullptr) tile.finish.residual += begin;
      for (auto* map : {&tile.rounded[0], &tile.rounded[1], &tile.residual}) {
        if (map->data == nullptr) continue;
        const auto across = out_.width + map->around;
        map->data += (row * across + column) * map->depth * map->of_number();
        map->around = across - job.columns;
      }
      bfloat16_kernels_here().finish(tile, sums);
    }
  }

  const ProductKernels<Number>* kernels_;
  Shape in_, out_;
  int padding_;
  std::int64_t blocks_ = 1;
  StoredArray<float> bias_;       // in whole vectors, as
  PackedMatrix<Number> weights_;  // [36 · depth, C_out], point by point
  std::vector<float> zeros_;
};

using WinogradConvolution = WinogradConvolutionOf<float>;

}  // namespace serpette::deploy
