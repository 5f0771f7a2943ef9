#pragma once

/// @file
/// Direct convolution with the weights that are left. No LibTorch.

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/deploy/narrow_numbers.hpp"
#include "serpette/deploy/output_shape.hpp"
#include "serpette/deploy/plan_archive.hpp"
#include "serpette/deploy/scratch.hpp"
#include "serpette/deploy/slice.hpp"
#include "serpette/deploy/sparse_kernels.hpp"
#include "serpette/deploy/sparse_tiling.hpp"
#include "serpette/deploy/sparse_weights.hpp"
#include "serpette/deploy/stored_array.hpp"
#include "serpette/deploy/stored_indices.hpp"
#include "serpette/deploy/stored_rounding.hpp"
#include "serpette/deploy/workers.hpp"
#include "serpette/graph/graph.hpp"
#include "serpette/io/limits.hpp"

namespace serpette::deploy {

/// What does not change the result beyond rounding, but the time.
struct SparseSettings {
  bool narrow = false;  ///< Vectors of eight lanes at most; of floats.
  /// Sums move from one column of the kernel to the next, and the input is packed once, not once
  /// for each column; of floats, where vectors have lanes enough.
  bool shifted = false;
  std::int64_t tile_bytes = 192 << 10;  ///< Packed input that is worked on at a time.
};

/// y = finish(w ∗ x + b), computed from the nonzero weights alone.
///
/// The output is cut into tiles of some rows of one vector each, which stay in registers while a
/// filter's nonzeros stream by as (offset, value). The input of a tile is packed before, a plane
/// per column of the kernel and row parity, so that whatever size, stride and padding, all operands
/// of a weight are consecutive whole vectors. Or a plane per parity of both alone, where sums move
/// by a lane between columns: for 3×3 with a, b, c the sums over its columns, each of what lies one
/// lane further, y[j] = a[j] + b[j + 1] + c[j + 2], which is a + shift(b + shift(c)). All filters
/// then read the packed tile from the cache, a part of the channels at a time. Any kernel size,
/// stride, padding and, of floats, groups; the summation order depends on the settings, not on the
/// threads.
///
/// Of Int8 an operand is four channels side by side, and so is a weight: it stays if any of its
/// four is not zero. Channels with as many weights left stand together, so that more of them are
/// zero as a whole; two filters are computed together, which share the operands of most weights.
/// @tparam Number  float or Int8: operands are rounded to it, the input as a whole first.
template <class Number>
class SparseConvolutionOf {
 public:
  /// @param weight    [C_out, C_in / groups, k, k], contiguous; zeros are dropped.
  /// @param bias      [C_out].
  /// @param in        shape of the input; C_in channels.
  /// @param rounding  of the input.
  SparseConvolutionOf(const Convolutional& c, const Shape& in, const float* weight,
                      const float* bias, const SparseSettings& settings,
                      const Rounding<Number>& rounding = {})
      : SparseConvolutionOf(c, in, settings.narrow, settings.shifted, rounding) {
    if constexpr (kIsScaled) {
      order_ = ordered_channels(weight);
      std::vector<float> scales, biases;
      const int area = c.size * c.size, depth = depth_of<Number>(in);
      // [C_out, depth, k, k]
      std::vector<Together<Number>> lanes(std::size_t(c.filters) * depth * area);
      for (int f = 0; f < c.filters; ++f) {
        const std::span filter(weight + std::ptrdiff_t{f} * in.channels * area,
                               static_cast<std::size_t>(in.channels * area));
        const QuantizedFilter quantized(filter);
        const auto of_sum = quantized.of_sum(rounding.by, bias[f]);
        scales.push_back(of_sum.scale);
        biases.push_back(of_sum.bias);
        for (int i = 0; i < in.channels; ++i) {
          const auto* from = quantized.weights.data() + order_[static_cast<std::size_t>(i)] * area;
          auto* to = lanes.data() + (std::ptrdiff_t{f} * depth + i / kTogether<Number>)*area;
          for (int tap = 0; tap < area; ++tap)
            to[tap][static_cast<std::size_t>(i % kTogether<Number>)] = Int8(from[tap]);
        }
      }
      scale_ = std::move(scales);
      bias_ = std::move(biases);
      weights_ = {c, in, tiling_, lanes.data(), settings.tile_bytes};
    } else {
      bias_ = std::vector<float>(bias, bias + c.filters);
      weights_ = {c, in, tiling_, weight, settings.tile_bytes};
    }
  }
  /// What `write` wrote of the same convolution.
  /// @throws Error  if it has a scale that is none, or places beyond what they are of.
  SparseConvolutionOf(const Convolutional& c, const Shape& in, PlanReader& from)
      : SparseConvolutionOf{c, in, from.value<bool>(), from.value<bool>(),
                            stored_rounding<Number>(from)} {
    const auto filters = static_cast<std::size_t>(c.filters);
    bias_ = from.array<float>(filters);
    if constexpr (kIsScaled) {
      scale_ = from.array<float>(filters);
      order_ = from.array<std::int32_t>(static_cast<std::size_t>(in.channels));
      require_indices("channels", order_.values(), in.channels - 1, from.place());
    }
    weights_ = {c, in, tiling_, from};
  }

  void write(PlanWriter& to) const {
    to.value(narrow_);
    to.value(tiling_.shifts > 0);
    store_rounding(rounding_, to);
    to.array(bias_);
    if constexpr (kIsScaled) {
      to.array(scale_);
      to.array(order_);
    }
    weights_.write(to);
  }

  /// Of Int8 one group, and no more products than 32 bits can add up; and no kernel so large that a
  /// tile of one channel is beyond `limits::kPlanNumbers` when it is packed.
  static bool fits(const Convolutional& c, const Shape& in) {
    return adds_up(c, in) && packed_numbers(c) <= limits::kPlanNumbers;
  }

  [[nodiscard]] const Shape& output() const { return out_; }

  /// Computes one image.
  /// @param x         [C_in, H, W]
  /// @param y         [C_out, H', W']
  /// @param finish    its residual is laid out like y, and not y.
  /// @param parallel  parallel(count, f) calls f(begin, end) for ranges that make up [0, count),
  ///                  perhaps at the same time.
  /// @param threads   that `parallel` uses.
  template <class Parallel>
  void run(const float* x, float* y, const Finish& finish, const Parallel& parallel,
           int threads) const {
    run_tiles(tiling_.tiles,
              {MapRows<const Together<Number>>::whole(operand(x, parallel), in_),
               MapRows<float>::whole(y, out_), MapRows<const float>::whole(finish.residual, out_),
               finish},
              parallel, threads);
  }

  /// The rows that can be computed by themselves; none where only the whole map can.
  [[nodiscard]] std::vector<Slice> slices() const
    requires std::is_same_v<Number, float>
  {
    std::vector<Slice> found;
    if (!tiling_.in_rows) return found;
    for (std::size_t t = 0; t < tiling_.tiles.size(); t += tiling_.strips.size()) {
      const auto& tile = tiling_.tiles[t];
      found.push_back(
          {tile.row + tile.first_row, tile.row + tiling_.strips[tile.strip].tile_rows, tile.row});
    }
    return found;
  }
  /// Computes slice k on this thread.
  void run_slice(std::size_t k, const RowMaps<>& maps) const
    requires std::is_same_v<Number, float>
  {
    const auto columns = tiling_.strips.size();
    run_tiles(std::span(tiling_.tiles).subspan(k * columns, columns), maps, on_one_thread, 1);
  }

  /// Multiply-adds per image, those of idle lanes and overlapping tiles too, and as many for every
  /// packed value: nearly proportional to the time.
  [[nodiscard]] std::int64_t operations() const {
    return tiling_.operations(weights_.weight_count(), weights_.plane_count());
  }

  /// The same, or somewhat more, before anything is laid out.
  /// @param weights  nonzero ones, of as many channels as a lane holds.
  static std::int64_t operations(const Convolutional& c, const Shape& in, std::int64_t weights,
                                 const SparseSettings& settings) {
    const SparseTiling tiling(c, in, sparse_kernels_here<Number>(settings.narrow),
                              settings.shifted);
    const auto planes =
        std::min<std::int64_t>(weights, depth_of<Number>(in) * tiling.column_planes * c.stride);
    return tiling.operations(weights, tiling.direct ? 0 : planes);
  }

 private:
  static constexpr bool kIsScaled = std::is_same_v<Number, Int8>;

  SparseConvolutionOf(const Convolutional& c, const Shape& in, bool narrow, bool shifted,
                      const Rounding<Number>& rounding)
      : kernels_(&sparse_kernels_here<Number>(narrow)),
        conv_(c),
        in_(in),
        out_(output_shape(c, in)),
        narrow_(narrow),
        rounding_(rounding),
        tiling_(c, in, *kernels_, shifted) {
    require(adds_up(c, in), "sparse convolution",
            "should in int8 be in one group, and of at most 65536 products, got {} groups and "
            "{} times {}×{}",
            c.groups, in.channels, c.size, c.size);
    require(packed_numbers(c) <= limits::kPlanNumbers, "sparse convolution",
            "should pack at most {} numbers of a channel at a time, got {} for {}×{} with stride "
            "{}",
            limits::kPlanNumbers, packed_numbers(c), c.size, c.size, c.stride);
  }

  static bool adds_up(const Convolutional& c, const Shape& in) {
    return !kIsScaled ||
           (c.groups == 1 && can_add_up<Number>(std::int64_t{in.channels} * c.size * c.size));
  }
  /// Of a channel's planes, of the largest tile of the widest vectors.
  static std::int64_t packed_numbers(const Convolutional& c) {
    const std::int64_t rows = kMaxTileRows + (c.size - 1) / c.stride;
    return rows * sparse_kernels_here<float>(false).lanes * c.size * c.stride;
  }

  [[nodiscard]] int lanes() const { return kernels_->lanes; }

  template <class Parallel>
  void run_tiles(std::span<const SparseTiling::Tile> tiles, const RowMaps<Together<Number>>& maps,
                 const Parallel& parallel, int threads) const {
    const auto count = std::ssize(tiles);
    // Blocks of filters, where the threads would not have as many tiles each.
    const auto parts = parts_of_each(count, threads, (out_.channels + 15) / 16);
    parallel(count * parts, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t piece = begin; piece < end; ++piece) {
        const auto block = piece % parts;
        run_tile(maps, tiles[static_cast<std::size_t>(piece / parts)],
                 weights_.units() * block / parts, weights_.units() * (block + 1) / parts);
      }
    });
  }

  /// Channels by how many weights they have left.
  [[nodiscard]] std::vector<std::int32_t> ordered_channels(const float* weight) const {
    const auto area = std::ptrdiff_t{conv_.size} * conv_.size;
    std::vector<std::int64_t> left(static_cast<std::size_t>(in_.channels), 0);
    for (int f = 0; f < conv_.filters; ++f)
      for (auto& of_channel : left) {
        of_channel += area - std::count(weight, weight + area, 0.0F);
        weight += area;
      }
    std::vector<std::int32_t> order(left.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, std::greater<>(),
                             [&](std::int32_t i) { return left[static_cast<std::size_t>(i)]; });
    return order;
  }

  /// The input as the kernels read it, [depth, H, W]: itself, or rounded in this thread's scratch.
  template <class Parallel>
  [[nodiscard]] const Together<Number>* operand(const float* x, const Parallel& parallel) const {
    if constexpr (!kIsScaled) {
      return x;
    } else {
      const auto cells = std::int64_t{in_.height} * in_.width;
      const int depth = depth_of<Number>(in_);
      auto* to =
          scratch<Together<Number>>(Scratch::kThird, static_cast<std::size_t>(depth * cells));
      parallel(depth, [&](std::int64_t begin, std::int64_t end) {
        for (auto lane = begin; lane < end; ++lane) {
          RoundPlanesJob job{.rounding = rounding_, .count = cells, .to = to + lane * cells};
          for (std::size_t i = 0; i < job.planes.size(); ++i)
            if (const auto at = static_cast<std::size_t>(lane) * job.planes.size() + i;
                at < order_.size())
              job.planes[i] = x + order_[at] * cells;
          kernels_->round_planes(job);
        }
      });
      return to;
    }
  }

  /// What lies outside the map, in a lane.
  [[nodiscard]] float outside() const {
    if constexpr (kIsScaled) {
      Together<Number> zeros;
      zeros.fill(rounding_(0.0F));
      return std::bit_cast<float>(zeros);
    } else {
      return 0;
    }
  }

  void pack(const MapRows<const Together<Number>>& x, const SparseStrip& strip, int row,
            std::span<const PackedPlane> planes, Together<Number>* to) const {
    const auto length = std::int64_t{tiling_.plane_rows} * lanes();
    if (tiling_.flat) {
      const std::int64_t cells = std::int64_t{in_.height} * in_.width,
                         begin = std::int64_t{row} * lanes(),
                         inside = std::min(cells - begin, length);
      for (const PackedPlane& plane : planes) {
        std::copy_n(x.data + plane.channel * cells + begin, inside, to);
        std::fill_n(to + inside, length - inside, Together<Number>{});
        to += length;
      }
      return;
    }
    const std::ptrdiff_t s = conv_.stride, p = conv_.padding;
    for (int g = 0; g < strip.groups; ++g)
      kernels_->pack_planes[halves(strip)](
          {reinterpret_cast<float*>(to + g * strip.cells), length, lanes(), planes,
           reinterpret_cast<const float*>(x.data), x.first, x.plane, outside(),
           strip.tile_rows + tiling_.more_rows, in_.height, in_.width,
           (g * strip.band_rows + row) * s - p, strip.column * s - p, s,
           (conv_.size - 1) % conv_.stride + 1, is_far(in_.channels * x.plane)});
  }

  /// Of a map in memory.
  static bool is_far(std::int64_t numbers) {
    return std::int64_t{sizeof(float)} * numbers > kFarMap;
  }

  static std::size_t halves(const SparseStrip& strip) {
    return static_cast<std::size_t>(std::countr_zero(static_cast<unsigned>(strip.groups)));
  }

  void run_tile(const RowMaps<Together<Number>>& maps, const SparseTiling::Tile& tile,
                std::int64_t first_unit, std::int64_t last_unit) const {
    const auto& x = maps.x;
    const auto& y = maps.y;
    const auto& residual = maps.residual;
    const auto& finish = maps.finish;
    const SparseStrip& strip = tiling_.strips[tile.strip];
    const std::int64_t cells = std::int64_t{out_.height} * out_.width;
    const auto origin_in = [&](const auto& rows) {
      return tiling_.flat ? std::int64_t{tile.row} * lanes()
                          : (tile.row - rows.first) * out_.width + strip.column;
    };
    const auto of_filter = std::ptrdiff_t{strip.tile_rows} * lanes(),
               sums = of_filter * kFilters<Number>;
    const bool has_bands = strip.groups > 1;

    FiltersJob<Number> job;
    job.pitch = tiling_.flat ? lanes() : out_.width;
    job.first_row = tile.first_row;
    job.width = strip.width;
    job.last_width = tiling_.flat && tile.row + strip.tile_rows == tiling_.map_rows
                         ? static_cast<int>(cells - std::int64_t{tiling_.map_rows - 1} * lanes())
                         : job.width;
    job.plane = y.plane;
    job.residual_plane = residual.plane;
    job.finish = finish;
    BandsJob bands;
    bands.strip = &strip;
    bands.pitch = out_.width;
    bands.lanes = lanes();
    bands.map_rows = tiling_.map_rows;
    bands.row = tile.row;
    bands.first_row = tile.first_row;
    bands.finish = finish;

    Together<Number>* packed =
        tiling_.direct
            ? nullptr
            : scratch<Together<Number>>(
                  Scratch::kFirst,
                  weights_.most_planes() * static_cast<std::size_t>(tiling_.plane_rows * lanes()));
    // Sums of every unit between two parts of the channels; of one unit between its two steps.
    const auto& parts = weights_.parts();
    const bool has_parts = parts.size() > 1;
    const auto kept = has_parts ? last_unit - first_unit : 0;
    auto* const partial =
        scratch<Sum<Number>>(Scratch::kSecond, static_cast<std::size_t>((kept + 1) * sums));
    auto* const bands_out = reinterpret_cast<float*>(partial + kept * sums);
    const auto& kernels = tiling_.shifts > 0 ? kernels_->shifted_weights : kernels_->weights;
    const auto kernel = kernels[static_cast<std::size_t>(strip.tile_rows - 1)];
    for (std::size_t p = 0; p < parts.size(); ++p) {
      const bool is_last = p + 1 == parts.size();
      if (!tiling_.direct) pack(x, strip, tile.row, weights_.planes(parts[p]), packed);
      job.planes = tiling_.direct ? x.data + origin_in(x) : packed;
      for (auto unit = first_unit; unit < last_unit; ++unit) {
        const bool has_weights = weights_.hand(parts[p], unit, job);
        if (!has_weights && p > 0 && !is_last) continue;
        const auto f = unit * kFilters<Number>;
        job.filters = static_cast<int>(std::min<std::int64_t>(kFilters<Number>, out_.channels - f));
        job.bias = bias_.data() + f;
        if constexpr (kIsScaled) job.scale = scale_.data() + f;
        auto* const mine = has_parts ? partial + (unit - first_unit) * sums : nullptr;
        job.partial_in = p == 0 ? nullptr : mine;
        job.partial_out = is_last ? nullptr : mine;
        job.bands_out = has_bands ? bands_out : nullptr;
        job.out = y.data + f * y.plane + origin_in(y);
        job.fetches_ahead =
            is_last && !has_bands && is_far(out_.channels * y.plane) && unit + 1 < weights_.units();
        if (residual.data != nullptr)
          job.finish.residual = residual.data + f * residual.plane + origin_in(residual);
        kernel(job);
        if (!is_last || !has_bands) continue;
        for (int i = 0; i < job.filters; ++i) {
          const auto plane = (f + i) * cells + strip.column;
          bands.sums = bands_out + i * of_filter;
          bands.out = y.data + plane;
          if (residual.data != nullptr) bands.finish.residual = residual.data + plane;
          kernels_->finish_bands[halves(strip)](bands);
        }
      }
    }
  }

  const SparseKernels<Number>* kernels_;
  Convolutional conv_;
  Shape in_, out_;
  bool narrow_;
  Rounding<Number> rounding_;  // of the input
  StoredArray<float> bias_;
  StoredArray<float> scale_;         // of Int8: what 1 in a sum is worth
  StoredArray<std::int32_t> order_;  // of Int8: the channels, lane by lane

  SparseTiling tiling_;
  SparseWeights<Number> weights_;
};

using SparseConvolution = SparseConvolutionOf<float>;

}  // namespace serpette::deploy
