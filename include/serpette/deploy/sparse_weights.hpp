#pragma once

/// @internal What sparse_convolution.hpp runs over.

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/deploy/narrow_numbers.hpp"
#include "serpette/deploy/plan_archive.hpp"
#include "serpette/deploy/sparse_job.hpp"
#include "serpette/deploy/sparse_tiling.hpp"
#include "serpette/deploy/stored_array.hpp"
#include "serpette/deploy/stored_indices.hpp"
#include "serpette/graph/graph.hpp"

namespace serpette::deploy {

/// Channels of a map, in lanes.
template <class Number>
int depth_of(const Shape& map) {
  return (map.channels + kTogether<Number> - 1) / kTogether<Number>;
}

/// A convolution's weights that are not zero, in the order in which its loops come by, each with
/// its place: where its operands begin in the packed input, or in the input itself.
template <class Number>
class SparseWeights {
 public:
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

  SparseWeights() = default;
  /// @param in          shape of the input.
  /// @param weight      [C_out, depth / groups, k, k]; zeros are dropped.
  /// @param tile_bytes  packed input of a tile that is worked on at a time.
  SparseWeights(const Convolutional& c, const Shape& in, const SparseTiling& tiling,
                const Together<Number>* weight, std::int64_t tile_bytes)
      : SparseWeights(c, tiling) {
    const int k = c.size, s = c.stride, shifts = tiling.shifts, channels = depth_of<Number>(in);
    const Dense dense{weight, channels / c.groups, c.filters / c.groups, k * k};
    std::vector<PackedPlane> planes;
    std::vector<std::int32_t> offsets;
    std::vector<Together<Number>> weights;
    const auto plane_floats = std::int64_t{tiling.plane_rows} * tiling.lanes;

    // Which planes any weight reads.
    const int columns = tiling.column_planes;
    std::vector<std::int32_t> begins(static_cast<std::size_t>(channels * columns * s), -1);
    const auto begin_of = [&](int channel, int column, int parity) -> std::int32_t& {
      return begins[static_cast<std::size_t>((channel * columns + column) * s + parity)];
    };
    for (int f = 0; f < c.filters; ++f)
      for (int i = 0; i < dense.inputs; ++i)
        for (int tap = 0; tap < dense.area; ++tap)
          if (!is_zero(dense.of_input(f, i, tap)))
            begin_of(dense.first_channel(f) + i, tap % k % columns, tap / k % s) = 0;

    // Of a unit: of both filters, of the first alone, of the second alone.
    std::array<std::vector<std::int32_t>, 3> places;
    std::array<std::vector<Together<Number>>, 3> values;

    const auto most =
        std::max<std::int64_t>(1, tile_bytes / (plane_floats * std::int64_t{sizeof(float)}));
    int channel = 0;
    do {
      Part part;
      part.first_plane = planes.size();
      const int first = channel;
      for (; channel < channels; ++channel) {
        if (!tiling.direct && channel > first &&
            std::ssize(planes) - std::int64_t(part.first_plane) + columns * s > most)
          break;
        for (int x = 0; x < columns; ++x)
          for (int parity = 0; parity < s; ++parity)
            if (auto& begin = begin_of(channel, x, parity); begin >= 0) {
              begin = static_cast<std::int32_t>(
                  tiling.direct ? std::int64_t{channel} * in.height * in.width
                                : std::int64_t(planes.size() - part.first_plane) * plane_floats);
              if (!tiling.direct) planes.push_back({channel, parity, x});
            }
      }
      part.last_plane = planes.size();
      std::vector<std::int64_t> starts, firsts;
      for (int f = 0; f < c.filters; f += kFilters<Number>) {
        firsts.push_back(std::ssize(weights));
        const int last_f = std::min(f + kFilters<Number>, c.filters) - 1;
        const int from = std::max(dense.first_channel(f), first),
                  until = std::min(dense.first_channel(last_f) + dense.inputs, channel);
        for (int shift = shifts; shift >= 0; --shift) {
          const int first_x = shift * columns, last_x = std::min(first_x + columns, k);
          for (auto& list : places) list.clear();
          for (auto& list : values) list.clear();
          for (int i = from; i < until; ++i)
            for (int y = 0; y < k; ++y)
              for (int x = first_x; x < last_x; ++x) {
                const auto one = dense.of_channel(f, i, y * k + x),
                           two = last_f > f ? dense.of_channel(last_f, i, y * k + x)
                                            : Together<Number>{};
                if (is_zero(one) && is_zero(two)) continue;
                const std::size_t list = is_zero(two) ? 1 : is_zero(one) ? 2 : 0;
                places[list].push_back(begin_of(i, x - first_x, y % s) + y / s * tiling.lanes);
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
      if constexpr (kFilters<Number> > 1) part.weights = std::move(firsts);
      parts_.push_back(std::move(part));
    } while (channel < channels);
    planes_ = std::move(planes);
    offsets_ = std::move(offsets);
    weights_ = std::move(weights);
    count_planes();
  }
  /// What `write` wrote of the same convolution.
  /// @throws Error  if it has other counts, or places beyond what they are of.
  SparseWeights(const Convolutional& c, const Shape& in, const SparseTiling& tiling,
                PlanReader& from)
      : SparseWeights(c, tiling) {
    planes_ = from.array<PackedPlane>();
    offsets_ = from.array<std::int32_t>();
    weights_ = from.array<Together<Number>>();
    require(kFilters<Number> > 1 || weights_.size() == offsets_.size(), from.place(),
            "should hold {} weights here, got {}", offsets_.size(), weights_.size());
    const auto starts = static_cast<std::size_t>(units_) * starts_of_a_unit() + 1;
    parts_.resize(from.count(sizeof(std::uint64_t) * (2 + starts)));
    for (Part& part : parts_) {
      part.first_plane = from.value<std::uint64_t>();
      part.last_plane = from.value<std::uint64_t>();
      part.starts = from.array<std::int64_t>(starts);
      if constexpr (kFilters<Number> > 1)
        part.weights = from.array<std::int64_t>(static_cast<std::size_t>(units_));
    }
    require_in_bounds(c, in, tiling, from.place());
    count_planes();
  }

  void write(PlanWriter& to) const {
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

  /// Filters that are computed together are a unit.
  [[nodiscard]] std::int64_t units() const { return units_; }
  /// That are kept, of all parts.
  [[nodiscard]] std::int64_t weight_count() const {
    return static_cast<std::int64_t>(weights_.size());
  }
  /// That are packed for them.
  [[nodiscard]] std::int64_t plane_count() const {
    return static_cast<std::int64_t>(planes_.size());
  }

  [[nodiscard]] const std::vector<Part>& parts() const { return parts_; }
  [[nodiscard]] std::span<const PackedPlane> planes(const Part& part) const {
    return {planes_.data() + part.first_plane, part.last_plane - part.first_plane};
  }
  /// Of any part.
  [[nodiscard]] std::size_t most_planes() const { return most_planes_; }

  /// A unit's weights of a part, for its job.
  /// @return whether there are any.
  bool hand(const Part& part, std::int64_t unit, FiltersJob<Number>& job) const {
    job.shifts = shifts_;
    job.offsets = offsets_.data();
    job.starts = part.starts.data() + static_cast<std::size_t>(unit) * starts_of_a_unit();
    job.weights =
        weights_.data() +
        (kFilters<Number> == 1 ? job.starts[0] : part.weights[static_cast<std::size_t>(unit)]);
    return job.starts[0] != job.starts[starts_of_a_unit()];
  }

 private:
  /// As they come: [C_out, inputs, area].
  struct Dense {
    const Together<Number>* values;
    int inputs, outputs, area;  // of a group, in lanes; taps of a kernel

    [[nodiscard]] int first_channel(int f) const { return f / outputs * inputs; }
    [[nodiscard]] const Together<Number>& of_input(int f, int i, int tap) const {
      return values[(std::int64_t{f} * inputs + i) * area + tap];
    }
    /// Zero where the channel is another group's.
    [[nodiscard]] Together<Number> of_channel(int f, int channel, int tap) const {
      const int i = channel - first_channel(f);
      return i >= 0 && i < inputs ? of_input(f, i, tap) : Together<Number>{};
    }
  };

  SparseWeights(const Convolutional& c, const SparseTiling& tiling)
      : units_((c.filters + kFilters<Number> - 1) / kFilters<Number>), shifts_(tiling.shifts) {}

  void count_planes() {
    for (const Part& part : parts_)
      most_planes_ = std::max(most_planes_, part.last_plane - part.first_plane);
  }

  /// Of what was read.
  /// @throws Error  unless all planes are of the input, and whatever the kernels read for a part
  ///                lies in its own packed planes (or in the input), and in these arrays.
  void require_in_bounds(const Convolutional& c, const Shape& in, const SparseTiling& tiling,
                         const std::string& place) const {
    const std::int64_t channels = depth_of<Number>(in), cells = std::int64_t{in.height} * in.width;
    require(std::ssize(planes_.values()) <= channels * tiling.column_planes * c.stride, place,
            "should pack at most {} planes each of {} channels, got {} in all",
            tiling.column_planes * c.stride, channels, planes_.size());
    for (const auto& [channel, row, column] : planes_.values())
      require(channel >= 0 && channel < channels && row >= 0 && row < c.stride && column >= 0 &&
                  column < tiling.column_planes,
              place, "should pack planes of {} channels, {} rows and {} columns, got {}, {} and {}",
              channels, c.stride, tiling.column_planes, channel, row, column);
    require(!parts_.empty(), place, "should hold weights in one part at least, got none");
    // From its place on, a weight reads one row for each of a tile.
    const std::int64_t tile_rows = tiling.plane_rows - tiling.more_rows;
    std::size_t plane = 0;
    std::int64_t first = 0, weight = 0;
    for (const Part& part : parts_) {
      require(part.first_plane == plane && part.last_plane >= plane &&
                  part.last_plane <= planes_.size(),
              place, "should hold parts that follow each other in {} planes, got {} to {} after {}",
              planes_.size(), part.first_plane, part.last_plane, plane);
      require_starts("weights", part.starts.values(), first, std::ssize(offsets_.values()), place);
      const auto count = part.starts.values().back() - first;
      const auto packed_rows = std::ssize(planes(part)) * tiling.plane_rows;
      require_indices(
          "places",
          offsets_.values().subspan(static_cast<std::size_t>(first),
                                    static_cast<std::size_t>(count)),
          tiling.direct ? (channels - 1) * cells : (packed_rows - tile_rows) * tiling.lanes, place);
      if constexpr (kFilters<Number> > 1) {
        const auto* lists = part.starts.data();
        for (const auto begin : part.weights.values()) {
          require(begin == weight, place, "should hold filters' weights from {} on, got {}", weight,
                  begin);
          for (int shift = 0; shift <= shifts_; ++shift, lists += kLists<Number>)
            weight +=
                lists[kLists<Number>] - lists[0] + (lists[1] - lists[0]);  // both: two a place
        }
      } else {
        weight += count;
      }
      plane = part.last_plane;
      first += count;
    }
    require(plane == planes_.size() && weight == weight_count(), place,
            "should use {} planes and {} weights, got {} and {}", planes_.size(), weight_count(),
            plane, weight);
  }

  static bool is_zero(const Together<Number>& value) {
    if constexpr (std::is_same_v<Number, Int8>)
      return std::bit_cast<std::uint32_t>(value) == 0;
    else
      return value == 0;
  }

  [[nodiscard]] std::size_t starts_of_a_unit() const {
    return static_cast<std::size_t>((shifts_ + 1) * kLists<Number>);
  }

  std::int64_t units_ = 0;
  int shifts_ = 0;
  StoredArray<PackedPlane> planes_;
  std::vector<Part> parts_;
  StoredArray<std::int32_t> offsets_;
  StoredArray<Together<Number>> weights_;
  std::size_t most_planes_ = 0;
};

}  // namespace serpette::deploy
