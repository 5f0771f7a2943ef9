#pragma once

/// @file
/// Direct convolution with the weights that are left. No LibTorch.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/deploy/sparse_kernels.hpp"
#include "serpette/graph/graph.hpp"

namespace serpette::deploy {

/// What does not change the result beyond rounding, but the time.
struct SparseSettings {
  bool whole_kernels =
      false;            ///< Store 3×3 kernels whole (kernel-sparse) rather than weight by weight.
  bool narrow = false;  ///< Vectors of eight lanes at most.
  std::int64_t tile_bytes = 192 << 10;  ///< Packed input that is worked on at a time.
};

/// y = activation(w ∗ x + b) [+ residual, activation], computed from the nonzero weights alone.
///
/// The output is cut into tiles of some rows of one vector each, which stay in registers while a
/// filter's nonzeros stream by as (offset, value). The input of a tile is packed before: one copy
/// per horizontal tap and row parity, so that whatever size, stride and padding, all operands of a
/// weight are consecutive whole vectors. All filters then read the packed tile from the cache, a
/// part of the channels at a time. Any kernel size, stride, padding and groups; the summation order
/// depends on the settings, not on the threads.
class SparseConvolution {
 public:
  /// @param weight  [C_out, C_in / groups, k, k], contiguous; zeros are dropped.
  /// @param bias    [C_out].
  /// @param in      shape of the input; C_in channels.
  /// @throws Error  for a logistic activation, or whole kernels that are not 3×3 with stride 1.
  SparseConvolution(const Convolutional& c, const Shape& in, const float* weight, const float* bias,
                    const SparseSettings& settings)
      : kernels_(&sparse_kernels_here(settings.narrow)),
        conv_(c),
        in_(in),
        out_{c.filters, (in.height + 2 * c.padding - c.size) / c.stride + 1,
             (in.width + 2 * c.padding - c.size) / c.stride + 1},
        whole_(settings.whole_kernels),
        bias_(bias, bias + c.filters) {
    require(is_piecewise_linear(c.activation), "sparse convolution",
            "activation should be linear, leaky or relu, got logistic");
    require(!whole_ || (c.size == 3 && c.stride == 1), "sparse convolution",
            "whole kernels should be 3×3 with stride 1, got {}×{} with stride {}", c.size, c.size,
            c.stride);
    choose_tiles();
    compress(weight, settings.tile_bytes);
  }

  [[nodiscard]] const Shape& output() const { return out_; }
  [[nodiscard]] bool whole_kernels() const { return whole_; }

  /// Number of independent pieces of work: tiles × blocks of filters, so that `threads` have enough
  /// each.
  [[nodiscard]] std::int64_t pieces(int threads) const { return tiles() * blocks(threads); }

  /// Computes some pieces of one image; different pieces may run at the same time.
  /// @param x         [C_in, H, W]
  /// @param y         [C_out, H', W']; only this range's part is written.
  /// @param residual  [C_out, H', W'] or null; not y.
  void run(const float* x, float* y, const float* residual, Activation residual_activation,
           std::int64_t begin, std::int64_t end, int threads) const {
    const std::int64_t parts = blocks(threads);
    for (std::int64_t piece = begin; piece < end; ++piece) {
      const auto block = piece % parts;
      const int first = static_cast<int>(out_.channels * block / parts);
      const int last = static_cast<int>(out_.channels * (block + 1) / parts);
      run_tile(x, y, residual, residual_activation, piece / parts, first, last);
    }
  }

  /// Multiply-adds per image, those of idle lanes and overlapping tiles too, and as many for every
  /// packed value: nearly proportional to the time.
  [[nodiscard]] std::int64_t operations() const {
    return tiles() * lanes() * (rows_ * std::ssize(weights_) + plane_rows_ * std::ssize(planes_));
  }

 private:
  /// One row of vectors of a packed tile comes from one horizontal tap and row parity of one input
  /// channel.
  struct Plane {
    int channel, tap, parity;
  };
  /// Consecutive planes that are packed and used together.
  struct Part {
    std::size_t first_plane = 0, last_plane = 0;
    std::vector<std::int64_t> starts;  ///< [C_out + 1] into offsets_.
  };

  [[nodiscard]] int lanes() const { return kernels_->lanes; }
  [[nodiscard]] std::int64_t tiles() const { return std::int64_t{tile_rows_} * tile_columns_; }
  [[nodiscard]] std::int64_t blocks(int threads) const {
    if (threads <= 1) return 1;
    return std::clamp<std::int64_t>((2 * threads + tiles() - 1) / tiles(), 1,
                                    (out_.channels + 15) / 16);
  }

  void choose_tiles() {
    // A 1×1 convolution does not mind which cells make a row: its map is one flat run.
    flat_ = conv_.size == 1 && conv_.stride == 1 && conv_.padding == 0;
    const int cells = out_.height * out_.width;
    map_rows_ = flat_ ? (cells + lanes() - 1) / lanes() : out_.height;
    tile_columns_ = flat_ ? 1 : (out_.width + lanes() - 1) / lanes();
    tile_rows_ = (map_rows_ + kMaxTileRows - 1) / kMaxTileRows;
    rows_ = (map_rows_ + tile_rows_ - 1) / tile_rows_;
    plane_rows_ = rows_ + (conv_.size - 1) / conv_.stride;
    direct_ = flat_ && cells % lanes() == 0;  // aligned as it is: nothing to pack
  }

  void compress(const float* weight, std::int64_t tile_bytes) {
    const int k = conv_.size, s = conv_.stride, area = k * k;
    const int inputs = in_.channels / conv_.groups, outputs = out_.channels / conv_.groups;
    const auto plane_floats = std::int64_t{plane_rows_} * lanes();
    const auto at = [&](int f, int c, int tap) {
      return weight[(std::int64_t{f} * inputs + c) * area + tap];
    };

    // Which planes any weight reads; a whole kernel reads its three side by side.
    std::vector<std::int32_t> place(static_cast<std::size_t>(in_.channels * k * s), -1);
    const auto plane_of = [&](int channel, int tap_x, int parity) -> std::int32_t& {
      return place[static_cast<std::size_t>((channel * k + tap_x) * s + parity)];
    };
    for (int f = 0; f < out_.channels; ++f)
      for (int c = 0; c < inputs; ++c)
        for (int tap = 0; tap < area; ++tap)
          if (at(f, c, tap) != 0) {
            const int channel = f / outputs * inputs + c;
            for (int x = whole_ ? 0 : tap % k; x <= (whole_ ? k - 1 : tap % k); ++x)
              plane_of(channel, x, tap / k % s) = 0;
          }

    const auto most =
        std::max<std::int64_t>(1, tile_bytes / (plane_floats * std::int64_t{sizeof(float)}));
    int channel = 0;
    do {
      Part part;
      part.first_plane = planes_.size();
      const int first = channel;
      for (; channel < in_.channels; ++channel) {
        if (!direct_ && channel > first &&
            std::ssize(planes_) - std::int64_t(part.first_plane) + k * s > most)
          break;
        for (int x = 0; x < k; ++x)
          for (int parity = 0; parity < s; ++parity)
            if (auto& index = plane_of(channel, x, parity); index >= 0) {
              index = static_cast<std::int32_t>(
                  direct_ ? std::int64_t{channel} * in_.height * in_.width
                          : std::int64_t(planes_.size() - part.first_plane) * plane_floats);
              if (!direct_) planes_.push_back({channel, x, parity});
            }
      }
      part.last_plane = planes_.size();
      for (int f = 0; f < out_.channels; ++f) {
        part.starts.push_back(std::ssize(offsets_));
        const int group = f / outputs * inputs;
        for (int c = std::max(first - group, 0); c < std::min(channel - group, inputs); ++c) {
          if (whole_) {
            const float* kernel = weight + (std::int64_t{f} * inputs + c) * 9;
            if (std::all_of(kernel, kernel + 9, [](float w) { return w == 0; })) continue;
            offsets_.push_back(plane_of(group + c, 0, 0));
            weights_.insert(weights_.end(), kernel, kernel + 9);
            continue;
          }
          for (int tap = 0; tap < area; ++tap) {
            if (at(f, c, tap) == 0) continue;
            const int y = tap / k;
            offsets_.push_back(plane_of(group + c, tap % k, y % s) + y / s * lanes());
            weights_.push_back(at(f, c, tap));
          }
        }
      }
      part.starts.push_back(std::ssize(offsets_));
      parts_.push_back(std::move(part));
    } while (channel < in_.channels);
    for (const Part& part : parts_)
      most_planes_ = std::max(most_planes_, part.last_plane - part.first_plane);
  }

  /// Scratch of this thread, aligned to a cache line, kept from call to call.
  static float* scratch(std::size_t which, std::size_t floats) {
    thread_local std::vector<float> buffers[2];
    auto& buffer = buffers[which];
    if (buffer.size() < floats + 16) buffer.resize(floats + 16);
    const auto address = reinterpret_cast<std::uintptr_t>(buffer.data());
    return buffer.data() + (64 - address % 64) % 64 / sizeof(float);
  }

  void pack(const float* x, int row, int column, const Part& part, float* to) const {
    const std::int64_t cells = std::int64_t{in_.height} * in_.width,
                       length = std::int64_t{plane_rows_} * lanes();
    for (auto i = part.first_plane; i < part.last_plane; ++i, to += length) {
      const Plane& plane = planes_[i];
      const float* from = x + plane.channel * cells;
      if (flat_) {
        const std::int64_t begin = std::int64_t{row} * lanes(),
                           inside = std::min(cells - begin, length);
        std::copy_n(from + begin, inside, to);
        std::fill_n(to + inside, length - inside, 0.0F);
      } else {
        const std::ptrdiff_t s = conv_.stride, p = conv_.padding;
        kernels_->pack_plane({to, from, plane_rows_, in_.height, in_.width,
                              row * s + plane.parity - p, column * s + plane.tap - p, s});
      }
    }
  }

  void run_tile(const float* x, float* y, const float* residual, Activation residual_activation,
                std::int64_t tile, int first_filter, int last_filter) const {
    const int tile_row = static_cast<int>(tile / tile_columns_);
    const int wanted = tile_row * rows_,
              row = std::min(wanted, map_rows_ - rows_);  // the last tile overlaps
    const int column = static_cast<int>(tile % tile_columns_) * lanes();
    const std::int64_t cells = std::int64_t{out_.height} * out_.width;
    const std::int64_t origin =
        flat_ ? std::int64_t{row} * lanes() : std::int64_t{row} * out_.width + column;
    const std::size_t sums = static_cast<std::size_t>(rows_ * lanes());

    FilterJob job;
    job.pitch = flat_ ? lanes() : out_.width;
    job.first_row = wanted - row;
    job.width = flat_ ? lanes() : std::min(lanes(), out_.width - column);
    job.last_width = flat_ && row + rows_ == map_rows_
                         ? static_cast<int>(cells - std::int64_t{map_rows_ - 1} * lanes())
                         : job.width;
    job.activation = conv_.activation;
    job.residual_activation = residual_activation;

    float* packed =
        direct_ ? nullptr
                : scratch(0, most_planes_ * static_cast<std::size_t>(plane_rows_ * lanes()));
    float* partial = parts_.size() > 1
                         ? scratch(1, static_cast<std::size_t>(last_filter - first_filter) * sums)
                         : nullptr;
    const auto kernel =
        (whole_ ? kernels_->kernels_3x3 : kernels_->weights)[static_cast<std::size_t>(rows_ - 1)];
    for (std::size_t p = 0; p < parts_.size(); ++p) {
      const Part& part = parts_[p];
      const bool is_last = p + 1 == parts_.size();
      if (!direct_) pack(x, row, column, part, packed);
      job.planes = direct_ ? x + origin : packed;
      for (int f = first_filter; f < last_filter; ++f) {
        const auto begin = part.starts[static_cast<std::size_t>(f)],
                   end = part.starts[static_cast<std::size_t>(f) + 1];
        if (begin == end && p > 0 && !is_last) continue;
        float* mine = partial == nullptr
                          ? nullptr
                          : partial + static_cast<std::size_t>(f - first_filter) * sums;
        job.offsets = offsets_.data() + begin;
        job.weights = weights_.data() + begin * (whole_ ? 9 : 1);
        job.count = end - begin;
        job.bias = bias_[static_cast<std::size_t>(f)];
        job.partial_in = p == 0 ? nullptr : mine;
        job.partial_out = is_last ? nullptr : mine;
        job.out = y + f * cells + origin;
        job.residual = residual == nullptr ? nullptr : residual + f * cells + origin;
        kernel(job);
      }
    }
  }

  const SparseKernels* kernels_;
  Convolutional conv_;
  Shape in_, out_;
  bool whole_;
  std::vector<float> bias_;

  bool flat_ = false, direct_ = false;
  int map_rows_ = 0;                      // rows of the output, as tiles see it
  int tile_rows_ = 0, tile_columns_ = 0;  // number of tiles each way
  int rows_ = 0, plane_rows_ = 0;         // rows of a tile's output, and of one packed plane

  std::vector<Plane> planes_;
  std::vector<Part> parts_;
  std::vector<std::int32_t> offsets_;
  std::vector<float> weights_;
  std::size_t most_planes_ = 0;
};

}  // namespace serpette::deploy
