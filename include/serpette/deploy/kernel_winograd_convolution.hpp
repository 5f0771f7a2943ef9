#pragma once

/// @file
/// Winograd's convolution of 3×3 with the kernels that are left. No LibTorch.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <ranges>
#include <string_view>
#include <utility>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/deploy/kernel_winograd_kernels.hpp"
#include "serpette/deploy/output_shape.hpp"
#include "serpette/deploy/plan_archive.hpp"
#include "serpette/deploy/scratch.hpp"
#include "serpette/deploy/slice.hpp"
#include "serpette/deploy/stored_array.hpp"
#include "serpette/deploy/stored_indices.hpp"
#include "serpette/deploy/winograd_tiles.hpp"
#include "serpette/deploy/winograd_weights.hpp"
#include "serpette/graph/graph.hpp"
#include "serpette/io/limits.hpp"

namespace serpette::deploy {

/// y = finish(w ∗ x + b) for 3×3 with stride 1, planes, by F(4×4, 3×3) as WinogradConvolution, from
/// the kernels alone that have a nonzero weight: in the transform domain a kernel that is gone is
/// gone at all 36 points, so each point is a product of the same sparse matrix [C_out, C_in].
///
/// Tiles lie side by side in vectors, counted over the whole map, so that small maps waste little;
/// some vectors of them are transformed for every channel. Then some points at a time, as many as
/// the nearest cache holds of every channel, stay there while all filters' weights stream by. The
/// order of summation depends on nothing but the layer.
class KernelWinogradConvolution {
 public:
  /// @param c       3×3, stride 1, one group.
  /// @param in      shape of the input.
  /// @param weight  [C_out, C_in, 3, 3]; kernels of zeros are dropped.
  /// @param bias    [C_out]
  KernelWinogradConvolution(const Convolutional& c, const Shape& in, const float* weight,
                            const float* bias)
      : KernelWinogradConvolution(c, in) {
    require_scratch("Winograd convolution of kernels");
    bias_ = std::vector<float>(bias, bias + c.filters);
    std::vector<std::int64_t> starts{0};
    std::vector<std::int32_t> channels;
    std::vector<const float*> kernels;
    for (int f = 0; f < c.filters; ++f) {
      for (int channel = 0; channel < in.channels; ++channel, weight += 9) {
        if (std::all_of(weight, weight + 9, [](float w) { return w == 0; })) continue;
        channels.push_back(channel);
        kernels.push_back(weight);
      }
      starts.push_back(std::ssize(channels));
    }
    std::vector<float> weights(36 * kernels.size());
    KernelTransform transform;
    const auto points = static_cast<std::size_t>(this->points());
    for (std::size_t first = 0; first < kernels.size(); first += KernelTransform::kMost) {
      const auto count = std::min<std::size_t>(KernelTransform::kMost, kernels.size() - first);
      for (std::size_t n = 0; n < count; ++n)
        transform.set(static_cast<int>(n), kernels[first + n]);
      transform.run();
      for (std::size_t k = 0; k < 36; ++k) {
        float* to = weights.data() + (k / points * kernels.size() + first) * points + k % points;
        for (std::size_t n = 0; n < count; ++n) to[n * points] = transform.point(k)[n];
      }
    }
    starts_ = std::move(starts);
    channels_ = std::move(channels);
    weights_ = std::move(weights);
  }
  /// What `write` wrote of the same convolution.
  /// @throws Error  if it does not fit, has other counts, or places beyond what they are of.
  KernelWinogradConvolution(const Convolutional& c, const Shape& in, PlanReader& from)
      : KernelWinogradConvolution(c, in) {
    require_scratch(from.place());
    bias_ = from.array<float>(static_cast<std::size_t>(c.filters));
    starts_ = from.array<std::int64_t>(static_cast<std::size_t>(c.filters) + 1);
    channels_ = from.array<std::int32_t>();
    require_starts("kernels", starts_.values(), 0, std::ssize(channels_.values()), from.place());
    require_indices("channels", channels_.values(), in.channels - 1, from.place());
    weights_ = from.array<float>(36 * channels_.size());
  }

  void write(PlanWriter& to) const {
    to.array(bias_);
    to.array(starts_);
    to.array(channels_);
    to.array(weights_);
  }

  /// 3×3, stride 1, one group, and neither so many channels nor so wide a map that what is computed
  /// on the way is beyond `limits::kPlanNumbers`: it costs no weight.
  static bool fits(const Convolutional& c, const Shape& in) {
    return fits_winograd(c) &&
           KernelWinogradConvolution(c, in).most_scratch() <= limits::kPlanNumbers;
  }

  [[nodiscard]] const Shape& output() const { return out_; }

  /// Computes one image; as SparseConvolution::run.
  /// @param x  [C_in, H, W]
  /// @param y  [C_out, H', W']
  template <class Parallel>
  void run(const float* x, float* y, const Finish& finish, const Parallel& parallel,
           int threads) const {
    const auto maps = RowMaps<>{MapRows<const float>::whole(x, in_), MapRows<float>::whole(y, out_),
                                MapRows<const float>::whole(finish.residual, out_), finish};
    // Each thread has its own tiles; where these are few vectors, several threads have the same,
    // and some filters each. All transform their tiles themselves: to fetch what another core has
    // transformed takes about as long.
    std::int64_t of_tiles = std::clamp<std::int64_t>(vectors_ / kManyVectors, 1, threads);
    while (threads % of_tiles != 0) --of_tiles;
    const auto of_filters = threads / of_tiles;
    parallel(threads, [&](std::int64_t begin, std::int64_t end) {
      for (auto piece = begin; piece < end; ++piece) {
        const auto tiles_at = [&](std::int64_t part) {
          return std::min(vectors_ * part / of_tiles * table_->lanes, tiles());
        };
        const auto part = piece / of_filters, filter_part = piece % of_filters;
        run_tiles(maps, tiles_at(part), tiles_at(part + 1), filter_at(filter_part, of_filters),
                  filter_at(filter_part + 1, of_filters));
      }
    });
  }

  /// The rows that can be computed by themselves.
  [[nodiscard]] std::vector<Slice> slices() const {
    return even_slices(out_.height, 4 * slice_tile_rows_);
  }
  /// Computes slice k on this thread.
  void run_slice(std::size_t k, const RowMaps<>& maps) const {
    const auto of_slice = std::int64_t{slice_tile_rows_} * tile_columns(),
               first = static_cast<std::int64_t>(k) * of_slice,
               last = std::min(first + of_slice, tiles());
    run_tiles(maps, first, last, 0, out_.channels);
  }

  /// Lanes of the tiles that are computed, idle ones among them, per channel.
  static std::int64_t tile_lanes(const Convolutional& c, const Shape& in) {
    const KernelWinogradConvolution empty(c, in);
    return empty.vectors_ * empty.table_->lanes;
  }

 private:
  KernelWinogradConvolution(const Convolutional& c, const Shape& in)
      : in_(in), out_(output_shape(c, in)), padding_(c.padding), table_(&table_for(tiles())) {
    require(fits_winograd(c), "Winograd convolution of kernels",
            "should be 3×3 with stride 1 in one group, got {}×{} with stride {} in {} groups",
            c.size, c.size, c.stride, c.groups);
    vectors_ = (tiles() + table_->lanes - 1) / table_->lanes;
    choose_shape();
    choose_slices();
  }

  /// Vectors of the width that leaves fewer lanes idle.
  static const KernelWinogradTable& table_for(std::int64_t tiles) {
    const auto& wide = kernel_winograd_table_here(false);
    const auto& narrow = kernel_winograd_table_here(true);
    const auto whole = [&](std::int64_t lanes) { return (tiles + lanes - 1) / lanes * lanes; };
    return whole(narrow.lanes) < whole(wide.lanes) ? narrow : wide;
  }

  /// Wide blocks where the tiles are few, or the channels: what a block transforms and sums over
  /// should not outgrow the cache.
  void choose_shape() {
    shape_ = vectors_ == 1 ? 0 : vectors_ <= kMaxTileVectors || in_.channels <= 64 ? 2 : 1;
  }
  [[nodiscard]] std::int64_t blocks_of(std::int64_t vectors) const {
    const std::int64_t most = kTileShapes[shape_].vectors;
    return (vectors + most - 1) / most;
  }

  /// Rows of tiles whose vectors are whole and blocks full: each block costs as much as a vector.
  void choose_slices() {
    constexpr int kMost = 6;
    double least = 1e9;
    for (int rows = 1; rows <= std::min(kMost, WinogradTiles(out_).rows); ++rows) {
      const auto count = std::int64_t{rows} * tile_columns(),
                 vectors = (count + table_->lanes - 1) / table_->lanes;
      const auto cost = static_cast<double>(vectors + blocks_of(vectors)) / double(count);
      if (cost < least) slice_tile_rows_ = rows;
      least = std::min(least, cost);
    }
  }

  // Of a thread's tiles; what a filter's transform takes, in kernels.
  static constexpr std::int64_t kManyVectors = 2, kFilterOut = 6;

  [[nodiscard]] int points() const { return kTileShapes[shape_].points; }
  [[nodiscard]] int tile_columns() const { return WinogradTiles(out_).columns; }
  [[nodiscard]] std::int64_t tiles() const { return WinogradTiles(out_).count(); }

  /// From one of the 36 / points() planes of transformed tiles, or of sums, to the next.
  [[nodiscard]] std::int64_t pitch(std::int64_t vectors, int channels) const {
    return points() * vectors * table_->lanes * channels + 16;
  }
  /// From one padded row of a channel to the next.
  [[nodiscard]] std::int64_t row_pitch() const {
    const std::int64_t lanes = table_->lanes;
    return 4 * ((tile_columns() + lanes - 1) / lanes * lanes) + 2 * lanes;
  }
  /// From one of the 24 planes of a channel's cells to the next.
  [[nodiscard]] std::int64_t phase_pitch(std::int64_t vectors) const {
    return (3 * tile_columns() + (vectors + 2) * table_->lanes + 15) / 16 * 16;
  }
  /// Numbers of a channel's padded rows and planes, of tiles in so many rows of tiles.
  [[nodiscard]] std::int64_t channel_numbers(std::int64_t vectors, std::int64_t tile_rows) const {
    return 24 * phase_pitch(vectors) + (4 * tile_rows + 2) * row_pitch() + 2 * table_->lanes;
  }

  /// Numbers of the largest buffer that `run_block` asks for.
  [[nodiscard]] std::int64_t most_scratch() const {
    const auto vectors = std::min<std::int64_t>(kTileShapes[shape_].vectors, vectors_),
               tile_rows = (vectors * table_->lanes + tile_columns() - 2) / tile_columns() + 1;
    return std::max(36 / points() * (pitch(vectors, in_.channels) + pitch(vectors, out_.channels)),
                    channel_numbers(vectors, tile_rows));
  }
  void require_scratch(std::string_view place) const {
    require(most_scratch() <= limits::kPlanNumbers, place,
            "should compute kernels with at most {} numbers on the way, got {} for {} to {} "
            "channels in {} columns",
            limits::kPlanNumbers, most_scratch(), in_.channels, out_.channels, out_.width);
  }

  /// The filter with which a part of the work begins, of so many that take about as long.
  [[nodiscard]] std::int64_t filter_at(std::int64_t part, std::int64_t parts) const {
    const auto work = [&](std::int64_t f) {
      return starts_[static_cast<std::size_t>(f)] + kFilterOut * f;
    };
    const std::int64_t filters = out_.channels, wanted = work(filters) * part / parts;
    const auto all = std::views::iota(0, out_.channels);
    return std::ranges::lower_bound(all, wanted, {}, work) - all.begin();
  }

  /// Some filters of tiles first … last − 1.
  void run_tiles(const RowMaps<>& maps, std::int64_t first, std::int64_t last,
                 std::int64_t first_filter, std::int64_t last_filter) const {
    if (first_filter == last_filter) return;
    const std::int64_t lanes = table_->lanes, vectors = (last - first + lanes - 1) / lanes,
                       blocks = blocks_of(vectors);
    for (std::int64_t b = 0; b < blocks; ++b)
      run_block(maps, first + vectors * b / blocks * lanes,
                std::min(first + vectors * (b + 1) / blocks * lanes, last), first_filter,
                last_filter);
  }

  /// @param first, last  tiles, of no more vectors than a block has.
  void run_block(const RowMaps<>& maps, std::int64_t first, std::int64_t last,
                 std::int64_t first_filter, std::int64_t last_filter) const {
    const std::int64_t lanes = table_->lanes, vectors = (last - first + lanes - 1) / lanes;
    const auto& kernels = table_->kernels[shape_][static_cast<std::size_t>(vectors - 1)];
    const auto step = points() * vectors * lanes,  // from channel to channel, filter to filter
        tiles_pitch = pitch(vectors, in_.channels), sums_pitch = pitch(vectors, out_.channels);
    const int rounds = 36 / points();
    float* tiles =
        scratch(Scratch::kFirst, static_cast<std::size_t>(rounds * (tiles_pitch + sums_pitch)));
    float* sums = tiles + rounds * tiles_pitch;

    ChannelInJob in;
    in.image_row = maps.x.first;
    in.height = in_.height;
    in.width = in_.width;
    in.padding = padding_;
    in.tile_columns = tile_columns();
    in.tile_row = static_cast<int>(first / tile_columns());
    in.tile_rows = static_cast<int>((last - 1) / tile_columns()) - in.tile_row + 1;
    in.skipped = static_cast<int>(first % tile_columns());
    in.to_pitch = tiles_pitch;
    in.row_pitch = row_pitch();
    in.phase_pitch = phase_pitch(vectors);
    in.phases =
        scratch(Scratch::kSecond, static_cast<std::size_t>(channel_numbers(vectors, in.tile_rows)));
    in.rows = in.phases + 24 * in.phase_pitch;
    for (std::int64_t channel = 0; channel < in_.channels; ++channel) {
      in.image = maps.x.data + channel * maps.x.plane;
      in.to = tiles + channel * step;
      kernels.channel_in(in);
    }

    FiltersOnTilesJob job;
    job.starts = starts_.data();
    job.channels = channels_.data();
    job.first = first_filter;
    job.last = last_filter;
    for (int round = 0; round < rounds; ++round) {
      job.tiles = tiles + round * tiles_pitch;
      job.weights = weights_.data() + round * std::ssize(channels_.values()) * points();
      job.sums = sums + round * sums_pitch;
      kernels.filters_on_tiles(job);
    }

    FilterOutJob out;
    out.sums_pitch = sums_pitch;
    out.rows = scratch(Scratch::kSecond, static_cast<std::size_t>(16 * vectors * lanes));
    out.out_row = maps.y.first;
    out.residual_row = maps.residual.first;
    out.height = out_.height;
    out.width = out_.width;
    out.tile_columns = tile_columns();
    out.first = first;
    out.last = last;
    out.finish = maps.finish;
    for (auto f = first_filter; f < last_filter; ++f) {
      out.sums = sums + f * step;
      out.bias = bias_[static_cast<std::size_t>(f)];
      out.out = maps.y.data + f * maps.y.plane;
      if (maps.residual.data != nullptr)
        out.finish.residual = maps.residual.data + f * maps.residual.plane;
      kernels.filter_out(out);
    }
  }

  Shape in_, out_;
  int padding_;
  const KernelWinogradTable* table_;
  std::size_t shape_ = 0;     // in kTileShapes
  std::int64_t vectors_ = 1;  // of tiles
  int slice_tile_rows_ = 1;
  StoredArray<float> bias_;
  StoredArray<std::int64_t> starts_;  // [C_out + 1] into channels_
  StoredArray<std::int32_t> channels_;
  StoredArray<float> weights_;  // [36 / points][kernels][points]
};

}  // namespace serpette::deploy
