#pragma once

/// @file
/// Winograd's convolution of 3×3 with stride 1. No LibTorch.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/deploy/dot_kernels.hpp"
#include "serpette/deploy/output_shape.hpp"
#include "serpette/deploy/packed_matrix.hpp"
#include "serpette/deploy/plan_archive.hpp"
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
      : WinogradConvolutionOf(c, in) {
    std::vector<float> whole_bias(static_cast<std::size_t>(whole(out_.channels)), 0.0F);
    std::copy_n(bias, out_.channels, whole_bias.begin());
    bias_ = std::move(whole_bias);
    transform(weight);
  }
  /// What `write` wrote of the same convolution.
  WinogradConvolutionOf(const Convolutional& c, const Shape& in, PlanReader& from)
      : WinogradConvolutionOf(c, in) {
    bias_ = from.array<float>(static_cast<std::size_t>(whole(out_.channels)));
    for (int k = 0; k < 36; ++k)
      weights_.emplace_back(depth(), out_.channels, kernels_->lanes, from);
  }

  void write(PlanWriter& to) const {
    to.array(bias_);
    for (const auto& matrix : weights_) matrix.write(to);
  }

  static bool fits(const Convolutional& c) { return fits_winograd(c); }

  [[nodiscard]] const Shape& output() const { return out_; }

  /// Computes one image.
  /// @param x         [H, W, C_in]
  /// @param y         [H', W', C_out]
  /// @param finish    its residual is laid out like y.
  /// @param parallel  parallel(count, f) calls f(begin, end) for ranges that make up [0, count),
  ///                  perhaps at the same time.
  /// @param threads   that `parallel` uses.
  template <class Parallel>
  void run(const float* x, float* y, const Finish& finish, const Parallel& parallel,
           int threads) const {
    const RowMaps<> maps{{x}, {y}, {finish.residual}, finish};
    if (threads == 1 || blocks_ >= 4 * threads) {
      const auto rounds = (blocks_ + threads - 1) / threads * threads;  // as many for each thread
      parallel(rounds, [&](std::int64_t begin, std::int64_t end) {
        for (auto b = begin; b < end; ++b)
          run_block(maps, tiles() * b / rounds, tiles() * (b + 1) / rounds, on_one_thread);
      });
      return;
    }
    for (std::int64_t b = 0; b < blocks_; ++b)
      run_block(maps, tiles() * b / blocks_, tiles() * (b + 1) / blocks_, parallel);
  }

  /// The rows that can be computed by themselves: so many rows of tiles as make a block.
  [[nodiscard]] std::vector<Slice> slices() const { return even_slices(out_.height, slice_rows()); }
  /// Computes slice k on this thread.
  void run_slice(std::size_t k, const RowMaps<>& maps) const {
    const auto of_slice = std::int64_t{slice_rows()} / 4 * tile_columns(),
               first = static_cast<std::int64_t>(k) * of_slice,
               count = std::min(of_slice, tiles() - first),
               blocks = std::max<std::int64_t>(1, count * blocks_ / tiles());
    for (std::int64_t b = 0; b < blocks; ++b)
      run_block(maps, first + count * b / blocks, first + count * (b + 1) / blocks, on_one_thread);
  }

 private:
  static constexpr std::int64_t kFewBlocks = 2;  // of tiles: those of YOLOv3's last maps

  WinogradConvolutionOf(const Convolutional& c, const Shape& in)
      : kernels_(&product_kernels_here<Number>()),
        in_(in),
        out_(output_shape(c, in)),
        padding_(c.padding) {
    require(fits(c), "Winograd convolution",
            "should be 3×3 with stride 1 in one group, got {}×{} with stride {} in {} groups",
            c.size, c.size, c.stride, c.groups);
    zeros_.assign(static_cast<std::size_t>(whole(in_.channels)), 0.0F);
    weights_.reserve(36);
    // Tiles whose transforms stay in the cache; more where the weights would pass by too often.
    constexpr std::int64_t kCache = 768 << 10;
    const std::int64_t bytes =
        36 * (std::int64_t{sizeof(Number)} * whole(in_.channels) + 4 * whole(out_.channels));
    const std::int64_t least = in_.channels * out_.channels < 65'536 ? 24 : 64;
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
  [[nodiscard]] int tile_columns() const { return WinogradTiles(out_).columns; }
  [[nodiscard]] std::int64_t tiles() const { return WinogradTiles(out_).count(); }
  [[nodiscard]] int slice_rows() const {
    const auto tile_rows = std::int64_t{WinogradTiles(out_).rows} / blocks_;
    return 4 * static_cast<int>(std::max<std::int64_t>(1, tile_rows));
  }

  void transform(const float* weight) {
    // All in one block: of huge pages, where that is worth it.
    const int filters = out_.channels, lanes = kernels_->lanes;
    const AlignedZeros<Number> zeros(36 * PackedMatrix<Number>::size(depth(), filters, lanes));
    for (std::size_t k = 0; k < 36; ++k) weights_.emplace_back(depth(), filters, lanes, zeros, k);
    const int side = std::min(KernelTransform::kMost, weights_.front().side_by_side());
    KernelTransform transform;
    for (int first = 0; first < filters; first += side) {
      const int count = std::min(side, filters - first);
      for (int c = 0; c < in_.channels; ++c) {
        for (int f = 0; f < count; ++f)
          transform.set(f, weight + (std::int64_t{first + f} * in_.channels + c) * 9);
        transform.run();
        for (std::size_t k = 0; k < 36; ++k)
          weights_[k].fill(c, first, count,
                           [&](int f) { return transform.point(k)[static_cast<std::size_t>(f)]; });
      }
    }
  }

  template <class Parallel>
  void run_block(const RowMaps<>& maps, std::int64_t first, std::int64_t last,
                 const Parallel& parallel) const {
    const auto count = last - first;
    const auto c_in = whole(in_.channels), c_out = whole(out_.channels);
    // One line of the cache more, or the 36 matrices would lie in the same places of it.
    const auto step_in = count * c_in + std::int64_t{64 / sizeof(Number)},
               step_out = count * c_out + 16;
    auto* in = scratch<Number>(Scratch::kFirst, static_cast<std::size_t>(36 * step_in));
    float* products = scratch(Scratch::kSecond, static_cast<std::size_t>(36 * step_out));

    parallel(count, [&](std::int64_t begin, std::int64_t end) {
      TileInJob<Number> job;
      job.image = maps.x.data;
      job.image_row = maps.x.first;
      job.height = in_.height;
      job.width = in_.width;
      job.channels = in_.channels;
      job.zeros = zeros_.data();
      job.step = step_in;
      for (auto t = begin; t < end; ++t) {
        job.row = static_cast<int>((first + t) / tile_columns()) * 4 - padding_;
        job.column = static_cast<int>((first + t) % tile_columns()) * 4 - padding_;
        job.to = in + t * c_in;
        kernels_->tile_in(job);
      }
    });
    const RowBlocks rows(count, *kernels_);
    const auto panels = weights_.front().panels();
    parallel(36 * panels, [&](std::int64_t begin, std::int64_t end) {
      for (auto piece = begin; piece < end; ++piece) {
        const auto k = piece / panels, panel = piece % panels;
        const auto& matrix = weights_[static_cast<std::size_t>(k)];
        std::array<const Number*, 16> from{};
        MultiplyJob<Number> job;
        job.in = from.data();
        job.depth = depth();
        job.weights = matrix.panel(panel);
        job.pitch = c_out;
        job.columns = matrix.vectors(panel) * kernels_->lanes;
        // With few tiles the weights are what is waited for: each block asks for its share of the
        // next panel.
        const auto next = piece + 1;
        const bool fetches = rows.count() <= kFewBlocks && next < end;
        const auto kernel = rows.kernel(matrix.vectors(panel), fetches);
        job.ahead_step = job.columns * kTogether<Number> / rows.count();
        for (std::int64_t b = 0; b < rows.count(); ++b) {
          const auto row = rows.first(b);
          if (fetches)
            job.ahead = weights_[static_cast<std::size_t>(next / panels)].panel(next % panels) +
                        b * job.ahead_step * depth() / kTogether<Number>;
          for (int r = 0; r < rows.size(); ++r)
            from[static_cast<std::size_t>(r)] = in + k * step_in + (row + r) * c_in;
          job.out = products + k * step_out + row * c_out + matrix.column(panel);
          kernel(job);
        }
      }
    });
    parallel(count, [&](std::int64_t begin, std::int64_t end) {
      TileOutJob job;
      job.step = step_out;
      job.bias = bias_.data();
      job.channels = out_.channels;
      job.width = out_.width;
      job.finish = maps.finish;
      for (auto t = begin; t < end; ++t) {
        const int row = static_cast<int>((first + t) / tile_columns()) * 4,
                  column = static_cast<int>((first + t) % tile_columns()) * 4;
        const auto in = [&](const auto& map) {
          return map.data + ((row - map.first) * out_.width + column) * out_.channels;
        };
        job.from = products + t * c_out;
        job.out = in(maps.y);
        if (maps.residual.data != nullptr) job.finish.residual = in(maps.residual);
        job.rows = std::min(4, out_.height - row);
        job.columns = std::min(4, out_.width - column);
        dense_kernels_here().tile_out(job);
      }
    });
  }

  const ProductKernels<Number>* kernels_;
  Shape in_, out_;
  int padding_;
  std::int64_t blocks_ = 1;
  std::vector<PackedMatrix<Number>> weights_;  // 36
  StoredArray<float> bias_;                    // in whole vectors, as
  std::vector<float> zeros_;
};

using WinogradConvolution = WinogradConvolutionOf<float>;

}  // namespace serpette::deploy
