#pragma once

/// @file
/// Direct convolution with the weights that are left. No LibTorch.

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "serpette/deploy/output_shape.hpp"
#include "serpette/deploy/plan_archive.hpp"
#include "serpette/deploy/scratch.hpp"
#include "serpette/deploy/sparse_kernels.hpp"
#include "serpette/deploy/sparse_tiling.hpp"
#include "serpette/deploy/stored_array.hpp"
#include "serpette/graph/graph.hpp"

namespace serpette::deploy {

/// What does not change the result beyond rounding, but the time.
struct SparseSettings {
  bool narrow = false;  ///< Vectors of eight lanes at most.
  /// Sums move from one column of the kernel to the next, and the input is packed once, not once
  /// for each column; where vectors have lanes enough.
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
/// stride, padding and groups; the summation order depends on the settings, not on the threads.
class SparseConvolution {
 public:
  /// @param weight  [C_out, C_in / groups, k, k], contiguous; zeros are dropped.
  /// @param bias    [C_out].
  /// @param in      shape of the input; C_in channels.
  SparseConvolution(const Convolutional& c, const Shape& in, const float* weight, const float* bias,
                    const SparseSettings& settings)
      : SparseConvolution(c, in, settings.narrow, settings.shifted) {
    bias_ = std::vector<float>(bias, bias + c.filters);
    compress(weight, settings.tile_bytes);
  }
  /// What `write` wrote of the same convolution.
  SparseConvolution(const Convolutional& c, const Shape& in, PlanReader& from)
      : SparseConvolution{c, in, from.value<bool>(), from.value<bool>()} {
    bias_ = from.array<float>(static_cast<std::size_t>(c.filters));
    planes_ = from.array<PackedPlane>();
    offsets_ = from.array<std::int32_t>();
    weights_ = from.array<float>(offsets_.size());
    parts_.resize(from.count(sizeof(std::uint64_t) * (2 + starts_of_a_part())));
    for (Part& part : parts_) {
      part.first_plane = from.value<std::uint64_t>();
      part.last_plane = from.value<std::uint64_t>();
      part.starts = from.array<std::int64_t>(starts_of_a_part());
    }
    count_planes();
  }

  void write(PlanWriter& to) const {
    to.value(narrow_);
    to.value(tiling_.shifts > 0);
    to.array(bias_);
    to.array(planes_);
    to.array(offsets_);
    to.array(weights_);
    to.value(std::uint64_t{parts_.size()});
    for (const Part& part : parts_) {
      to.value(std::uint64_t{part.first_plane});
      to.value(std::uint64_t{part.last_plane});
      to.array(part.starts);
    }
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
    const std::int64_t parts = blocks(threads);
    parallel(tiles() * parts, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t piece = begin; piece < end; ++piece) {
        const auto block = piece % parts;
        run_tile(x, y, finish, tiling_.tiles[static_cast<std::size_t>(piece / parts)],
                 static_cast<int>(out_.channels * block / parts),
                 static_cast<int>(out_.channels * (block + 1) / parts));
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
  /// @param weights  nonzero ones.
  static std::int64_t operations(const Convolutional& c, const Shape& in, std::int64_t weights,
                                 const SparseSettings& settings) {
    const SparseTiling tiling(c, in, sparse_kernels_here(settings.narrow).lanes, settings.shifted);
    const auto planes = std::min<std::int64_t>(
        weights, in.channels * (tiling.shifts > 0 ? c.stride : c.size) * c.stride);
    return tiling.operations(weights, tiling.direct ? 0 : planes);
  }

 private:
  /// Consecutive planes that are packed and used together.
  struct Part {
    std::size_t first_plane = 0, last_plane = 0;
    /// [C_out, shifts + 1] and an end, into offsets_: where the weights begin that take part in all
    /// shifts (the last columns of the kernels), in all but one, …, in none.
    StoredArray<std::int64_t> starts;
  };

  SparseConvolution(const Convolutional& c, const Shape& in, bool narrow, bool shifted)
      : kernels_(&sparse_kernels_here(narrow)),
        conv_(c),
        in_(in),
        out_(output_shape(c, in)),
        narrow_(narrow),
        tiling_(c, in, kernels_->lanes, shifted) {}

  [[nodiscard]] int lanes() const { return kernels_->lanes; }
  [[nodiscard]] std::size_t starts_of_a_filter() const {
    return static_cast<std::size_t>(tiling_.shifts) + 1;
  }
  [[nodiscard]] std::size_t starts_of_a_part() const {
    return static_cast<std::size_t>(out_.channels) * starts_of_a_filter() + 1;
  }
  [[nodiscard]] std::int64_t tiles() const { return std::ssize(tiling_.tiles); }
  [[nodiscard]] std::int64_t blocks(int threads) const {
    if (threads <= 1) return 1;
    return std::clamp<std::int64_t>((2 * threads + tiles() - 1) / tiles(), 1,
                                    (out_.channels + 15) / 16);
  }

  void compress(const float* weight, std::int64_t tile_bytes) {
    const int k = conv_.size, s = conv_.stride, area = k * k, shifts = tiling_.shifts;
    const int inputs = in_.channels / conv_.groups, outputs = out_.channels / conv_.groups;
    std::vector<PackedPlane> planes;
    std::vector<std::int32_t> offsets;
    std::vector<float> weights;
    const auto plane_floats = std::int64_t{tiling_.plane_rows} * lanes();
    const auto at = [&](int f, int c, int tap) {
      return weight[(std::int64_t{f} * inputs + c) * area + tap];
    };

    // Which planes any weight reads.
    const int columns = shifts > 0 ? s : k;  // planes of a channel and a row parity
    std::vector<std::int32_t> place(static_cast<std::size_t>(in_.channels * columns * s), -1);
    const auto plane_of = [&](int channel, int column, int parity) -> std::int32_t& {
      return place[static_cast<std::size_t>((channel * columns + column) * s + parity)];
    };
    for (int f = 0; f < out_.channels; ++f)
      for (int c = 0; c < inputs; ++c)
        for (int tap = 0; tap < area; ++tap)
          if (at(f, c, tap) != 0) {
            plane_of(f / outputs * inputs + c, tap % k % columns, tap / k % s) = 0;
          }

    const auto most =
        std::max<std::int64_t>(1, tile_bytes / (plane_floats * std::int64_t{sizeof(float)}));
    int channel = 0;
    do {
      Part part;
      std::vector<std::int64_t> starts;
      part.first_plane = planes.size();
      const int first = channel;
      for (; channel < in_.channels; ++channel) {
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
      for (int f = 0; f < out_.channels; ++f) {
        const int group = f / outputs * inputs;
        for (int shift = shifts; shift >= 0; --shift) {
          starts.push_back(std::ssize(offsets));
          const int first_x = shift * columns, last_x = std::min(first_x + columns, k);
          for (int c = std::max(first - group, 0); c < std::min(channel - group, inputs); ++c)
            for (int y = 0; y < k; ++y)
              for (int x = first_x; x < last_x; ++x) {
                const float value = at(f, c, y * k + x);
                if (value == 0) continue;
                offsets.push_back(plane_of(group + c, x - first_x, y % s) + y / s * lanes());
                weights.push_back(value);
              }
        }
      }
      starts.push_back(std::ssize(offsets));
      part.starts = std::move(starts);
      parts_.push_back(std::move(part));
    } while (channel < in_.channels);
    planes_ = std::move(planes);
    offsets_ = std::move(offsets);
    weights_ = std::move(weights);
    count_planes();
  }

  void count_planes() {
    for (const Part& part : parts_)
      most_planes_ = std::max(most_planes_, part.last_plane - part.first_plane);
  }

  void pack(const float* x, const SparseStrip& strip, int row, const Part& part, float* to) const {
    const std::span planes(planes_.data() + part.first_plane, part.last_plane - part.first_plane);
    const auto length = std::int64_t{tiling_.plane_rows} * lanes();
    if (tiling_.flat) {
      const std::int64_t cells = std::int64_t{in_.height} * in_.width,
                         begin = std::int64_t{row} * lanes(),
                         inside = std::min(cells - begin, length);
      for (const PackedPlane& plane : planes) {
        std::copy_n(x + plane.channel * cells + begin, inside, to);
        std::fill_n(to + inside, length - inside, 0.0F);
        to += length;
      }
      return;
    }
    const std::ptrdiff_t s = conv_.stride, p = conv_.padding;
    for (int g = 0; g < strip.groups; ++g)
      kernels_->pack_planes[halves(strip)](
          {to + g * strip.cells, length, lanes(), planes, x, strip.tile_rows + tiling_.more_rows,
           in_.height, in_.width, (g * strip.band_rows + row) * s - p, strip.column * s - p, s});
  }

  static std::size_t halves(const SparseStrip& strip) {
    return static_cast<std::size_t>(std::countr_zero(static_cast<unsigned>(strip.groups)));
  }

  void run_tile(const float* x, float* y, const Finish& finish, const SparseTiling::Tile& tile,
                int first_filter, int last_filter) const {
    const SparseStrip& strip = tiling_.strips[tile.strip];
    const std::int64_t cells = std::int64_t{out_.height} * out_.width;
    const std::int64_t origin = tiling_.flat ? std::int64_t{tile.row} * lanes()
                                             : std::int64_t{tile.row} * out_.width + strip.column;
    const auto sums = static_cast<std::size_t>(strip.tile_rows * lanes());
    const bool has_bands = strip.groups > 1;

    FilterJob job;
    job.pitch = tiling_.flat ? lanes() : out_.width;
    job.first_row = tile.first_row;
    job.width = strip.width;
    job.last_width = tiling_.flat && tile.row + strip.tile_rows == tiling_.map_rows
                         ? static_cast<int>(cells - std::int64_t{tiling_.map_rows - 1} * lanes())
                         : job.width;
    job.finish = finish;
    BandsJob bands;
    bands.strip = &strip;
    bands.pitch = out_.width;
    bands.lanes = lanes();
    bands.map_rows = tiling_.map_rows;
    bands.row = tile.row;
    bands.first_row = tile.first_row;
    bands.finish = finish;

    float* packed =
        tiling_.direct
            ? nullptr
            : scratch(Scratch::kFirst,
                      most_planes_ * static_cast<std::size_t>(tiling_.plane_rows * lanes()));
    // Sums of every filter between two parts of the channels; of one filter between its two steps.
    const bool has_parts = parts_.size() > 1;
    const auto kept = has_parts ? static_cast<std::size_t>(last_filter - first_filter) : 1;
    float* partial = has_parts || has_bands ? scratch(Scratch::kSecond, kept * sums) : nullptr;
    const auto& kernels = tiling_.shifts > 0 ? kernels_->shifted_weights : kernels_->weights;
    const auto kernel = kernels[static_cast<std::size_t>(strip.tile_rows - 1)];
    job.offsets = offsets_.data();
    job.weights = weights_.data();
    job.shifts = tiling_.shifts;
    for (std::size_t p = 0; p < parts_.size(); ++p) {
      const Part& part = parts_[p];
      const bool is_last = p + 1 == parts_.size();
      if (!tiling_.direct) pack(x, strip, tile.row, part, packed);
      job.planes = tiling_.direct ? x + origin : packed;
      for (int f = first_filter; f < last_filter; ++f) {
        job.starts = part.starts.data() + static_cast<std::size_t>(f) * starts_of_a_filter();
        if (job.starts[0] == job.starts[starts_of_a_filter()] && p > 0 && !is_last) continue;
        float* mine =
            has_parts ? partial + static_cast<std::size_t>(f - first_filter) * sums : partial;
        job.bias = bias_[static_cast<std::size_t>(f)];
        job.partial_in = p == 0 ? nullptr : mine;
        job.partial_out = is_last && !has_bands ? nullptr : mine;
        job.out = y + f * cells + origin;
        if (finish.residual != nullptr) job.finish.residual = finish.residual + f * cells + origin;
        kernel(job);
        if (!is_last || !has_bands) continue;
        bands.sums = mine;
        bands.out = y + f * cells + strip.column;
        if (finish.residual != nullptr)
          bands.finish.residual = finish.residual + f * cells + strip.column;
        kernels_->finish_bands[halves(strip)](bands);
      }
    }
  }

  const SparseKernels* kernels_;
  Convolutional conv_;
  Shape in_, out_;
  bool narrow_;
  StoredArray<float> bias_;

  SparseTiling tiling_;

  StoredArray<PackedPlane> planes_;
  std::vector<Part> parts_;
  StoredArray<std::int32_t> offsets_;
  StoredArray<float> weights_;
  std::size_t most_planes_ = 0;
};

}  // namespace serpette::deploy
