#pragma once

/// @internal What sparse_convolution.hpp runs over.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/deploy/narrow_numbers.hpp"
#include "serpette/deploy/plan_archive.hpp"
#include "serpette/deploy/sparse_job.hpp"
#include "serpette/deploy/sparse_layout.hpp"
#include "serpette/deploy/sparse_tiling.hpp"
#include "serpette/deploy/stored_array.hpp"
#include "serpette/deploy/stored_indices.hpp"
#include "serpette/graph/graph.hpp"
#include "serpette/io/limits.hpp"

namespace serpette::deploy {

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
    const NonzeroWeights<Number> nonzero(c, in, weight);
    ReadPlanes planes(c, in, tiling, nonzero);
    const auto plane_bytes =
        std::int64_t{tiling.plane_rows} * tiling.lanes * std::int64_t{sizeof(float)};
    const auto most = std::max<std::int64_t>(1, tile_bytes / plane_bytes);
    std::vector<std::int32_t> offsets;
    std::vector<Together<Number>> weights;
    std::vector<std::span<const std::int32_t>> left;  // by filter, places of weights of later parts
    for (int f = 0; f < c.filters; ++f) left.push_back(nonzero.places(f));
    UnitLists lists(c, in, tiling);
    int channel = 0;
    do {
      const int first = channel;
      Part part;
      part.first_plane = planes.packed().size();
      channel = planes.place(first, most);
      part.last_plane = planes.packed().size();
      lists.begin_part(planes, first, channel);
      std::vector<std::int64_t> starts, firsts;
      for (int f = 0; f < c.filters; f += kFilters<Number>) {
        firsts.push_back(std::ssize(weights));
        lists.collect(nonzero, left, f);
        for (int shift = shifts_; shift >= 0; --shift)
          for (int list = 0; list < kLists<Number>; ++list) {
            starts.push_back(std::ssize(offsets));
            append(lists.of(shift, list).places, offsets);
            append(lists.of(shift, list).weights, weights);
          }
      }
      starts.push_back(std::ssize(offsets));
      part.starts = std::move(starts);
      if constexpr (kFilters<Number> > 1) part.weights = std::move(firsts);
      parts_.push_back(std::move(part));
    } while (channel < depth_of<Number>(in));
    planes_ = planes.packed();
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
  /// A unit's weights of one part.
  class UnitLists {
   public:
    struct List {
      std::vector<std::int32_t> places;
      std::vector<Together<Number>> weights;
    };

    UnitLists(const Convolutional& c, const Shape& in, const SparseTiling& tiling)
        : conv_(c), tiling_(tiling), lists_(static_cast<std::size_t>(tiling.shifts + 1)) {
      const auto taps = static_cast<std::size_t>(depth_of<Number>(in)) * area();
      begins_.resize(taps);
      shifts_.resize(taps);
      for (std::size_t place = 0; place < taps; ++place)
        shifts_[place] = static_cast<std::int32_t>(place) % area() % c.size / tiling.column_planes;
    }

    /// From now on weights of these channels are asked for, whose planes have their places.
    void begin_part(const ReadPlanes& planes, int first_channel, int last_channel) {
      end_ = last_channel * area();
      for (int channel = first_channel, place = channel * area(); channel < last_channel; ++channel)
        for (int y = 0; y < conv_.size; ++y)
          for (int x = 0; x < conv_.size; ++x, ++place)
            begins_[static_cast<std::size_t>(place)] =
                planes.begin(channel, x % tiling_.column_planes, y % conv_.stride) +
                y / conv_.stride * tiling_.lanes;
    }

    /// Takes the part's weights from what is left of a unit's filters.
    void collect(const NonzeroWeights<Number>& weights,
                 std::vector<std::span<const std::int32_t>>& left, int first_filter) {
      for (auto& of_shift : lists_)
        for (List& list : of_shift) {
          list.places.clear();
          list.weights.clear();
        }
      const int second_filter = first_filter + 1;
      std::span<const std::int32_t> none;
      auto &one = left[static_cast<std::size_t>(first_filter)],
           &two = kFilters<Number> > 1 && second_filter < conv_.filters
                      ? left[static_cast<std::size_t>(second_filter)]
                      : none;
      const auto next = [&](const auto& places) { return places.empty() ? end_ : places.front(); };
      for (;;) {
        const auto place = std::min(next(one), next(two));
        if (place >= end_) return;
        const bool has_one = next(one) == place, has_two = next(two) == place;
        const auto i = static_cast<std::size_t>(place);
        List& list = lists_[static_cast<std::size_t>(shifts_[i])][has_one && has_two ? 0
                                                                  : has_one          ? 1
                                                                                     : 2];
        list.places.push_back(begins_[i]);
        if (has_one) {
          list.weights.push_back(weights.at(first_filter, place));
          one = one.subspan(1);
        }
        if (has_two) {
          list.weights.push_back(weights.at(second_filter, place));
          two = two.subspan(1);
        }
      }
    }

    /// Those that take part in so many shifts: of kLists, as FiltersJob has them.
    [[nodiscard]] const List& of(int shift, int list) const {
      return lists_[static_cast<std::size_t>(shift)]
                   [static_cast<std::size_t>(kFilters<Number> == 1 ? 1 : list)];
    }

   private:
    [[nodiscard]] int area() const { return conv_.size * conv_.size; }

    const Convolutional& conv_;
    const SparseTiling& tiling_;
    // By place in a filter: where the operands of a weight there begin, and the shifts it takes
    // part in.
    std::vector<std::int32_t> begins_, shifts_;
    std::int32_t end_ = 0;                    // of the part's places
    std::vector<std::array<List, 3>> lists_;  // of both filters, of the first, of the second alone
  };

  template <class T>
  static void append(const std::vector<T>& some, std::vector<T>& to) {
    to.insert(to.end(), some.begin(), some.end());
  }

  SparseWeights(const Convolutional& c, const SparseTiling& tiling)
      : units_((c.filters + kFilters<Number> - 1) / kFilters<Number>), shifts_(tiling.shifts) {}

  void count_planes() {
    for (const Part& part : parts_)
      most_planes_ = std::max(most_planes_, part.last_plane - part.first_plane);
  }

  /// Of what was read.
  /// @throws Error  unless all planes are of the input, a part's are few enough to be packed at a
  ///                time, and whatever the kernels read for a part lies in its own packed
  ///                planes (or in the input), and in these arrays.
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
      require(packed_rows * tiling.lanes <= limits::kPlanNumbers, place,
              "should pack at most {} numbers at a time, got {} planes of {}", limits::kPlanNumbers,
              std::ssize(planes(part)), tiling.plane_rows * tiling.lanes);
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
