#pragma once

/// @file
/// Direct convolution with the weights that are left. No LibTorch.

#include <algorithm>
#include <array>
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
#include "serpette/deploy/sparse_kernels.hpp"
#include "serpette/deploy/sparse_tiling.hpp"
#include "serpette/deploy/stored_array.hpp"
#include "serpette/deploy/stored_rounding.hpp"
#include "serpette/graph/graph.hpp"

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
      const int area = c.size * c.size;
      // [C_out, depth, k, k]
      std::vector<Together<Number>> lanes(std::size_t(c.filters) * depth(in) * area);
      for (int f = 0; f < c.filters; ++f) {
        const std::span filter(weight + std::ptrdiff_t{f} * in.channels * area,
                               static_cast<std::size_t>(in.channels * area));
        const QuantizedFilter quantized(filter);
        const auto of_sum = quantized.of_sum(rounding.by, bias[f]);
        scales.push_back(of_sum.scale);
        biases.push_back(of_sum.bias);
        for (int i = 0; i < in.channels; ++i) {
          const auto* from = quantized.weights.data() + order_[static_cast<std::size_t>(i)] * area;
          auto* to = lanes.data() + (std::ptrdiff_t{f} * depth(in) + i / kTogether<Number>)*area;
          for (int tap = 0; tap < area; ++tap)
            to[tap][static_cast<std::size_t>(i % kTogether<Number>)] = Int8(from[tap]);
        }
      }
      scale_ = std::move(scales);
      bias_ = std::move(biases);
      compress(lanes.data(), settings.tile_bytes);
    } else {
      bias_ = std::vector<float>(bias, bias + c.filters);
      compress(weight, settings.tile_bytes);
    }
  }
  /// What `write` wrote of the same convolution.
  /// @throws Error  if it has a scale that is none.
  SparseConvolutionOf(const Convolutional& c, const Shape& in, PlanReader& from)
      : SparseConvolutionOf{c, in, from.value<bool>(), from.value<bool>(),
                            stored_rounding<Number>(from)} {
    const auto filters = static_cast<std::size_t>(c.filters);
    bias_ = from.array<float>(filters);
    if constexpr (kIsScaled) {
      scale_ = from.array<float>(filters);
      order_ = from.array<std::int32_t>(static_cast<std::size_t>(in.channels));
      for (const auto channel : order_.values())
        require(channel >= 0 && channel < in.channels, from.place(),
                "should name channels of {}, got {}", in.channels, channel);
    }
    planes_ = from.array<PackedPlane>();
    offsets_ = from.array<std::int32_t>();
    weights_ = from.array<Together<Number>>();
    require(kFilters<Number> > 1 || weights_.size() == offsets_.size(), from.place(),
            "should hold {} weights here, got {}", offsets_.size(), weights_.size());
    parts_.resize(from.count(sizeof(std::uint64_t) * (2 + starts_of_a_part())));
    for (Part& part : parts_) {
      part.first_plane = from.value<std::uint64_t>();
      part.last_plane = from.value<std::uint64_t>();
      part.starts = from.array<std::int64_t>(starts_of_a_part());
      if constexpr (kFilters<Number> > 1)
        part.weights = from.array<std::int64_t>(static_cast<std::size_t>(units()));
    }
    count_planes();
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
    to.array(planes_);
    to.array(offsets_);
    to.array(weights_);
    to.value(std::uint64_t{parts_.size()});
    for (const Part& part : parts_) {
      to.value(std::uint64_t{part.first_plane});
      to.value(std::uint64_t{part.last_plane});
      to.array(part.starts);
      if constexpr (kFilters<Number> > 1) to.array(part.weights);
    }
  }

  /// Of Int8 one group, and no more products than 32 bits can add up.
  static bool fits(const Convolutional& c, const Shape& in) {
    return !kIsScaled ||
           (c.groups == 1 && can_add_up<Number>(std::int64_t{in.channels} * c.size * c.size));
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
    const Together<Number>* from = operand(x, parallel);
    const std::int64_t parts = blocks(threads);
    parallel(tiles() * parts, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t piece = begin; piece < end; ++piece) {
        const auto block = piece % parts;
        run_tile(from, y, finish, tiling_.tiles[static_cast<std::size_t>(piece / parts)],
                 units() * block / parts, units() * (block + 1) / parts);
      }
    });
  }

  /// Multiply-adds per image, those of idle lanes and overlapping tiles too, and as many for every
  /// packed value: nearly proportional to the time.
  [[nodiscard]] std::int64_t operations() const {
    return tiling_.operations(static_cast<std::int64_t>(weights_.size()),
                              static_cast<std::int64_t>(planes_.size()));
  }

  /// The same, or somewhat more, before anything is laid out.
  /// @param weights  nonzero ones, of as many channels as a lane holds.
  static std::int64_t operations(const Convolutional& c, const Shape& in, std::int64_t weights,
                                 const SparseSettings& settings) {
    const SparseTiling tiling(c, in, sparse_kernels_here<Number>(settings.narrow).lanes,
                              settings.shifted && !kIsScaled);
    const auto planes = std::min<std::int64_t>(
        weights, depth(in) * (tiling.shifts > 0 ? c.stride : c.size) * c.stride);
    return tiling.operations(weights, tiling.direct ? 0 : planes);
  }

 private:
  static constexpr bool kIsScaled = std::is_same_v<Number, Int8>;

  /// Consecutive planes that are packed and used together.
  struct Part {
    std::size_t first_plane = 0, last_plane = 0;
    /// [units, shifts + 1, lists] and an end, into offsets_: where the places begin of weights that
    /// take part in all shifts (the last columns of the kernels), in all but one, …, in none; for
    /// each of these, those of all filters of a unit, and of each alone.
    StoredArray<std::int64_t> starts;
    StoredArray<std::int64_t> weights;  ///< [units] Where each one's begin in weights_; of one
                                        ///< filter where its first place is.
  };

  SparseConvolutionOf(const Convolutional& c, const Shape& in, bool narrow, bool shifted,
                      const Rounding<Number>& rounding)
      : kernels_(&sparse_kernels_here<Number>(narrow)),
        conv_(c),
        in_(in),
        out_(output_shape(c, in)),
        narrow_(narrow),
        rounding_(rounding),
        tiling_(c, in, kernels_->lanes, shifted && !kIsScaled) {
    require(fits(c, in), "sparse convolution",
            "should in int8 be in one group, and of at most 65536 products, got {} groups and "
            "{} times {}×{}",
            c.groups, in.channels, c.size, c.size);
  }

  /// Channels of a map, in lanes.
  static int depth(const Shape& in) {
    return (in.channels + kTogether<Number> - 1) / kTogether<Number>;
  }

  [[nodiscard]] int lanes() const { return kernels_->lanes; }
  /// Filters that are computed together are a unit.
  [[nodiscard]] std::int64_t units() const {
    return (out_.channels + kFilters<Number> - 1) / kFilters<Number>;
  }
  [[nodiscard]] std::size_t starts_of_a_unit() const {
    return static_cast<std::size_t>((tiling_.shifts + 1) * kLists<Number>);
  }
  [[nodiscard]] std::size_t starts_of_a_part() const {
    return static_cast<std::size_t>(units()) * starts_of_a_unit() + 1;
  }
  [[nodiscard]] std::int64_t tiles() const { return std::ssize(tiling_.tiles); }
  [[nodiscard]] std::int64_t blocks(int threads) const {
    if (threads <= 1) return 1;
    return std::clamp<std::int64_t>((2 * threads + tiles() - 1) / tiles(), 1,
                                    (out_.channels + 15) / 16);
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

  /// @param weight  [C_out, depth / groups, k, k]
  void compress(const Together<Number>* weight, std::int64_t tile_bytes) {
    const int k = conv_.size, s = conv_.stride, area = k * k, shifts = tiling_.shifts;
    const int channels = depth(in_), inputs = channels / conv_.groups,
              outputs = out_.channels / conv_.groups;
    std::vector<PackedPlane> planes;
    std::vector<std::int32_t> offsets;
    std::vector<Together<Number>> weights;
    const auto plane_floats = std::int64_t{tiling_.plane_rows} * lanes();
    const auto at = [&](int f, int c, int tap) {
      return weight[(std::int64_t{f} * inputs + c) * area + tap];
    };
    const auto is_zero = [](const Together<Number>& value) {
      if constexpr (kIsScaled)
        return std::bit_cast<std::uint32_t>(value) == 0;
      else
        return value == 0;
    };
    // Of a channel of the input, 0 where it is of another group.
    const auto of_channel = [&](int f, int channel, int tap) {
      const int c = channel - f / outputs * inputs;
      return c >= 0 && c < inputs ? at(f, c, tap) : Together<Number>{};
    };

    // Which planes any weight reads.
    const int columns = shifts > 0 ? s : k;  // planes of a channel and a row parity
    std::vector<std::int32_t> place(static_cast<std::size_t>(channels * columns * s), -1);
    const auto plane_of = [&](int channel, int column, int parity) -> std::int32_t& {
      return place[static_cast<std::size_t>((channel * columns + column) * s + parity)];
    };
    for (int f = 0; f < out_.channels; ++f)
      for (int c = 0; c < inputs; ++c)
        for (int tap = 0; tap < area; ++tap)
          if (!is_zero(at(f, c, tap)))
            plane_of(f / outputs * inputs + c, tap % k % columns, tap / k % s) = 0;

    // Of a unit: of both filters, of the first alone, of the second alone.
    std::array<std::vector<std::int32_t>, 3> places;
    std::array<std::vector<Together<Number>>, 3> values;

    const auto most =
        std::max<std::int64_t>(1, tile_bytes / (plane_floats * std::int64_t{sizeof(float)}));
    int channel = 0;
    do {
      Part part;
      std::vector<std::int64_t> starts;
      part.first_plane = planes.size();
      const int first = channel;
      for (; channel < channels; ++channel) {
        if (!tiling_.direct && channel > first &&
            std::ssize(planes) - std::int64_t(part.first_plane) + columns * s > most)
          break;
        for (int x = 0; x < columns; ++x)
          for (int parity = 0; parity < s; ++parity)
            if (auto& index = plane_of(channel, x, parity); index >= 0) {
              index = static_cast<std::int32_t>(
                  tiling_.direct ? std::int64_t{channel} * in_.height * in_.width
                                 : std::int64_t(planes.size() - part.first_plane) * plane_floats);
              if (!tiling_.direct) planes.push_back({channel, parity, x});
            }
      }
      part.last_plane = planes.size();
      std::vector<std::int64_t> begins;
      for (int f = 0; f < out_.channels; f += kFilters<Number>) {
        begins.push_back(std::ssize(weights));
        const int last_f = std::min(f + kFilters<Number>, out_.channels) - 1;
        const int from = std::max(f / outputs * inputs, first),
                  until = std::min((last_f / outputs + 1) * inputs, channel);
        for (int shift = shifts; shift >= 0; --shift) {
          const int first_x = shift * columns, last_x = std::min(first_x + columns, k);
          for (auto& list : places) list.clear();
          for (auto& list : values) list.clear();
          for (int c = from; c < until; ++c)
            for (int y = 0; y < k; ++y)
              for (int x = first_x; x < last_x; ++x) {
                const auto one = of_channel(f, c, y * k + x),
                           two = last_f > f ? of_channel(last_f, c, y * k + x) : Together<Number>{};
                if (is_zero(one) && is_zero(two)) continue;
                const std::size_t list = is_zero(two) ? 1 : is_zero(one) ? 2 : 0;
                places[list].push_back(plane_of(c, x - first_x, y % s) + y / s * lanes());
                if (list != 2) values[list].push_back(one);
                if (list != 1) values[list].push_back(two);
              }
          for (std::size_t list = 0; list < places.size(); ++list) {
            if (kFilters<Number> == 2 || list == 1) starts.push_back(std::ssize(offsets));
            offsets.insert(offsets.end(), places[list].begin(), places[list].end());
            weights.insert(weights.end(), values[list].begin(), values[list].end());
          }
        }
      }
      starts.push_back(std::ssize(offsets));
      part.starts = std::move(starts);
      if constexpr (kFilters<Number> > 1) part.weights = std::move(begins);
      parts_.push_back(std::move(part));
    } while (channel < channels);
    planes_ = std::move(planes);
    offsets_ = std::move(offsets);
    weights_ = std::move(weights);
    count_planes();
  }

  void count_planes() {
    for (const Part& part : parts_)
      most_planes_ = std::max(most_planes_, part.last_plane - part.first_plane);
  }

  /// The input as the kernels read it, [depth, H, W]: itself, or rounded in this thread's scratch.
  template <class Parallel>
  [[nodiscard]] const Together<Number>* operand(const float* x, const Parallel& parallel) const {
    if constexpr (!kIsScaled) {
      return x;
    } else {
      const auto cells = std::int64_t{in_.height} * in_.width;
      auto* to =
          scratch<Together<Number>>(Scratch::kThird, static_cast<std::size_t>(depth(in_) * cells));
      parallel(depth(in_), [&](std::int64_t begin, std::int64_t end) {
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

  void pack(const Together<Number>* x, const SparseStrip& strip, int row, const Part& part,
            Together<Number>* to) const {
    const std::span planes(planes_.data() + part.first_plane, part.last_plane - part.first_plane);
    const auto length = std::int64_t{tiling_.plane_rows} * lanes();
    if (tiling_.flat) {
      const std::int64_t cells = std::int64_t{in_.height} * in_.width,
                         begin = std::int64_t{row} * lanes(),
                         inside = std::min(cells - begin, length);
      for (const PackedPlane& plane : planes) {
        std::copy_n(x + plane.channel * cells + begin, inside, to);
        std::fill_n(to + inside, length - inside, Together<Number>{});
        to += length;
      }
      return;
    }
    const std::ptrdiff_t s = conv_.stride, p = conv_.padding;
    for (int g = 0; g < strip.groups; ++g)
      kernels_->pack_planes[halves(strip)](
          {reinterpret_cast<float*>(to + g * strip.cells), length, lanes(), planes,
           reinterpret_cast<const float*>(x), outside(), strip.tile_rows + tiling_.more_rows,
           in_.height, in_.width, (g * strip.band_rows + row) * s - p, strip.column * s - p, s});
  }

  static std::size_t halves(const SparseStrip& strip) {
    return static_cast<std::size_t>(std::countr_zero(static_cast<unsigned>(strip.groups)));
  }

  void run_tile(const Together<Number>* x, float* y, const Finish& finish,
                const SparseTiling::Tile& tile, std::int64_t first_unit,
                std::int64_t last_unit) const {
    const SparseStrip& strip = tiling_.strips[tile.strip];
    const std::int64_t cells = std::int64_t{out_.height} * out_.width;
    const std::int64_t origin = tiling_.flat ? std::int64_t{tile.row} * lanes()
                                             : std::int64_t{tile.row} * out_.width + strip.column;
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
    job.plane = cells;
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
        tiling_.direct ? nullptr
                       : scratch<Together<Number>>(
                             Scratch::kFirst,
                             most_planes_ * static_cast<std::size_t>(tiling_.plane_rows * lanes()));
    // Sums of every unit between two parts of the channels; of one unit between its two steps.
    const bool has_parts = parts_.size() > 1;
    const auto kept = has_parts ? last_unit - first_unit : 0;
    auto* const partial =
        scratch<Sum<Number>>(Scratch::kSecond, static_cast<std::size_t>((kept + 1) * sums));
    auto* const bands_out = reinterpret_cast<float*>(partial + kept * sums);
    const auto& kernels = tiling_.shifts > 0 ? kernels_->shifted_weights : kernels_->weights;
    const auto kernel = kernels[static_cast<std::size_t>(strip.tile_rows - 1)];
    job.offsets = offsets_.data();
    job.shifts = tiling_.shifts;
    for (std::size_t p = 0; p < parts_.size(); ++p) {
      const Part& part = parts_[p];
      const bool is_last = p + 1 == parts_.size();
      if (!tiling_.direct) pack(x, strip, tile.row, part, packed);
      job.planes = tiling_.direct ? x + origin : packed;
      for (auto unit = first_unit; unit < last_unit; ++unit) {
        job.starts = part.starts.data() + static_cast<std::size_t>(unit) * starts_of_a_unit();
        if (job.starts[0] == job.starts[starts_of_a_unit()] && p > 0 && !is_last) continue;
        job.weights =
            weights_.data() +
            (kFilters<Number> == 1 ? job.starts[0] : part.weights[static_cast<std::size_t>(unit)]);
        const auto f = unit * kFilters<Number>;
        job.filters = static_cast<int>(std::min<std::int64_t>(kFilters<Number>, out_.channels - f));
        job.bias = bias_.data() + f;
        if constexpr (kIsScaled) job.scale = scale_.data() + f;
        auto* const mine = has_parts ? partial + (unit - first_unit) * sums : nullptr;
        job.partial_in = p == 0 ? nullptr : mine;
        job.partial_out = is_last ? nullptr : mine;
        job.bands_out = has_bands ? bands_out : nullptr;
        job.out = y + f * cells + origin;
        if (finish.residual != nullptr) job.finish.residual = finish.residual + f * cells + origin;
        kernel(job);
        if (!is_last || !has_bands) continue;
        for (int i = 0; i < job.filters; ++i) {
          const auto plane = (f + i) * cells + strip.column;
          bands.sums = bands_out + i * of_filter;
          bands.out = y + plane;
          if (finish.residual != nullptr) bands.finish.residual = finish.residual + plane;
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

  StoredArray<PackedPlane> planes_;
  std::vector<Part> parts_;
  StoredArray<std::int32_t> offsets_;
  StoredArray<Together<Number>> weights_;
  std::size_t most_planes_ = 0;
};

using SparseConvolution = SparseConvolutionOf<float>;

}  // namespace serpette::deploy
