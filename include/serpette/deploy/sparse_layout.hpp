#pragma once

/// @internal How the weights that sparse_weights.hpp lays out are found, and the planes they read.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <type_traits>
#include <vector>

#include "serpette/deploy/narrow_numbers.hpp"
#include "serpette/deploy/sparse_job.hpp"
#include "serpette/deploy/sparse_tiling.hpp"
#include "serpette/graph/graph.hpp"

namespace serpette::deploy {

/// Channels of a map, in lanes.
template <class Number>
int depth_of(const Shape& map) {
  return (map.channels + kTogether<Number> - 1) / kTogether<Number>;
}

/// A convolution's weights that are not zero, found among those that come: [C_out, depth / groups,
/// k, k].
template <class Number>
class NonzeroWeights {
 public:
  /// @param in  shape of the input.
  NonzeroWeights(const Convolutional& c, const Shape& in, const Together<Number>* weights)
      : weights_(weights),
        of_a_filter_(depth_of<Number>(in) / c.groups * c.size * c.size),
        filters_of_a_group_(c.filters / c.groups) {
    std::vector<std::int32_t> found(static_cast<std::size_t>(of_a_filter_) + 1);
    starts_.push_back(0);
    for (int f = 0; f < c.filters; ++f) {
      const auto* of_filter = weights + std::int64_t{f} * of_a_filter_;
      std::int32_t* end = found.data();
      for (std::int32_t i = 0; i < of_a_filter_; ++i) {  // no branch, which nobody could foresee
        *end = first(f) + i;
        end += is_zero(of_filter[i]) ? 0 : 1;
      }
      places_.insert(places_.end(), found.data(), end);
      starts_.push_back(places_.size());
    }
  }

  /// Where a filter's are: channel · k² + tap, ascending.
  [[nodiscard]] std::span<const std::int32_t> places(int f) const {
    const auto begin = starts_[static_cast<std::size_t>(f)];
    return {places_.data() + begin, starts_[static_cast<std::size_t>(f) + 1] - begin};
  }
  /// The weight at one of these.
  [[nodiscard]] const Together<Number>& at(int f, std::int32_t place) const {
    return weights_[std::int64_t{f} * of_a_filter_ + place - first(f)];
  }

 private:
  /// The first place of a filter's group.
  [[nodiscard]] std::int32_t first(int f) const { return f / filters_of_a_group_ * of_a_filter_; }

  static bool is_zero(const Together<Number>& value) {
    if constexpr (std::is_same_v<Number, Int8>)
      return std::bit_cast<std::uint32_t>(value) == 0;
    else
      return value == 0;
  }

  const Together<Number>* weights_;
  std::int32_t of_a_filter_;
  int filters_of_a_group_;
  std::vector<std::int32_t> places_;
  std::vector<std::size_t> starts_;  // [C_out + 1] into places_
};

/// The planes of an input that any weight reads, one a channel, column and row parity, and where
/// each begins: in what is packed for its part, or in the input itself.
class ReadPlanes {
 public:
  template <class Number>
  ReadPlanes(const Convolutional& c, const Shape& in, const SparseTiling& tiling,
             const NonzeroWeights<Number>& weights)
      : columns_(tiling.column_planes),
        rows_(c.stride),
        channels_(depth_of<Number>(in)),
        is_direct_(tiling.direct),
        length_(is_direct_ ? std::int64_t{in.height} * in.width
                           : std::int64_t{tiling.plane_rows} * tiling.lanes),
        begins_(static_cast<std::size_t>(channels_) * columns_ * rows_, kUnread) {
    const int area = c.size * c.size;
    std::vector<bool> is_read(static_cast<std::size_t>(channels_) * area, false);
    for (int f = 0; f < c.filters; ++f)
      for (const auto place : weights.places(f)) is_read[static_cast<std::size_t>(place)] = true;
    for (int channel = 0, place = 0; channel < channels_; ++channel)
      for (int y = 0; y < c.size; ++y)
        for (int x = 0; x < c.size; ++x, ++place)
          if (is_read[static_cast<std::size_t>(place)])
            begin_of(channel, x % columns_, y % rows_) = 0;
  }

  /// Gives the planes of the channels from `first` on their places: of as many as make up a part.
  /// @param most  planes of a part, unless a single channel has more.
  /// @return      the channel behind them.
  int place(int first, std::int64_t most) {
    const auto before = std::ssize(packed_);
    int channel = first;
    for (; channel < channels_; ++channel) {
      const auto so_far = std::ssize(packed_) - before;
      if (!is_direct_ && channel > first && so_far + columns_ * rows_ > most) break;
      for (int column = 0; column < columns_; ++column)
        for (int row = 0; row < rows_; ++row) {
          auto& begin = begin_of(channel, column, row);
          if (begin == kUnread) continue;
          const auto number = is_direct_ ? channel : std::ssize(packed_) - before;
          begin = static_cast<std::int32_t>(number * length_);
          if (!is_direct_) packed_.push_back({channel, row, column});
        }
    }
    return channel;
  }

  /// Where a plane begins that is read, and has its place.
  [[nodiscard]] std::int32_t begin(int channel, int column, int row) const {
    return begins_[index(channel, column, row)];
  }
  /// Those to be packed, of all parts so far.
  [[nodiscard]] const std::vector<PackedPlane>& packed() const { return packed_; }

 private:
  static constexpr std::int32_t kUnread = -1;

  [[nodiscard]] std::size_t index(int channel, int column, int row) const {
    return (static_cast<std::size_t>(channel) * columns_ + column) * rows_ + row;
  }
  std::int32_t& begin_of(int channel, int column, int row) {
    return begins_[index(channel, column, row)];
  }

  int columns_, rows_, channels_;
  bool is_direct_;
  std::int64_t length_;  // of a plane, in lanes
  std::vector<std::int32_t> begins_;
  std::vector<PackedPlane> packed_;
};

}  // namespace serpette::deploy
