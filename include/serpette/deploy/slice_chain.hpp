#pragma once

/// @internal How a plan computes layers together whose maps are large.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/deploy/map.hpp"
#include "serpette/deploy/slice.hpp"
#include "serpette/deploy/stored_array.hpp"
#include "serpette/graph/graph.hpp"

namespace serpette::deploy {

/// Convolutions of which each reads the output of the one before, computed slice by slice: before a
/// slice of the last those slices of the others that it needs, and no more. Of the maps between
/// them a few rows are in memory at a time, which stay in the cache; whole maps would be written to
/// memory and fetched again.
class SliceChain {
 public:
  /// Threads compute the rows at their borders both, the more the longer a chain is: with twelve
  /// YOLOv3 gains nothing on one thread, and loses 2 % on two.
  static constexpr std::size_t kMostNodes = 6;
  static constexpr std::size_t kNone = kMostNodes;

  struct Node {
    std::vector<Slice> slices;  ///< Of its output, from the top down.
    Shape out;
    int size = 1, stride = 1, padding = 0;  ///< Of its kernel.
    std::size_t residual = kNone;           ///< The node whose output it adds, if it is one.
  };

  /// What of the nodes' outputs is in memory, for one thread.
  class Windows {
   public:
    [[nodiscard]] MapRows<float> operator[](std::size_t node) const {
      return {at_[node].data, at_[node].rows.first, at_[node].plane};
    }

   private:
    friend SliceChain;
    struct Window {
      float* data = nullptr;
      std::int64_t plane = 0;
      Slice rows;
      std::size_t next = 0;  // of the node's slices
      int most = 0;          // rows that were needed at a time
    };
    std::array<Window, kMostNodes> at_;
  };

  /// @param nodes   two at least, each with slices.
  /// @param layout  of all maps.
  SliceChain(std::vector<Node> nodes, Layout layout) : nodes_(std::move(nodes)), layout_(layout) {
    require(nodes_.size() >= 2 && nodes_.size() <= kMostNodes, "chain",
            "should be of 2 to {} convolutions, got {}", kMostNodes, nodes_.size());
    for (const Node& node : nodes_) rooms_.push_back(node.out.height);
    // Once without computing anything, to see how many rows are needed.
    Windows windows;
    make_all(0, slices(), windows, [](std::size_t, std::size_t, const Windows&) {});
    for (std::size_t n = 0; n < last(); ++n) {
      int height = 0;
      for (const Slice& slice : nodes_[n].slices)
        height = std::max(height, slice.last - slice.first);
      // Where many rows stay, they do not move at every slice.
      const int most = windows.at_[n].most, stay = most - height;
      rooms_[n] = std::min(most + (4 * stay > height ? 2 * height : 0), nodes_[n].out.height);
      numbers_ += aligned(numbers(n));
    }
  }

  /// The node whose output node n adds; kNone: none, or a whole map.
  [[nodiscard]] std::size_t residual(std::size_t n) const { return nodes_[n].residual; }
  /// Rows of node n's output that there is room for.
  [[nodiscard]] int room(std::size_t n) const { return rooms_[n]; }
  /// The node whose output is a whole map.
  [[nodiscard]] std::size_t last() const { return nodes_.size() - 1; }
  /// Of its output.
  [[nodiscard]] std::size_t slices() const { return nodes_.back().slices.size(); }

  /// Computes slices begin … end − 1 of the last node's output on this thread.
  /// @param run_slice  (n, k, windows) computes slice k of node n's output from the windows of
  ///                   nodes before it, and into its own, if it is not the last.
  template <class RunSlice>
  void run(std::size_t begin, std::size_t end, const RunSlice& run_slice) const {
    thread_local AlignedZeros<float> memory(0);
    if (memory.size < numbers_) memory = AlignedZeros<float>(numbers_);
    Windows windows;
    float* to = memory.data;
    for (std::size_t n = 0; n < last(); ++n) {
      windows.at_[n].data = to;
      windows.at_[n].plane = std::int64_t{rooms_[n]} * nodes_[n].out.width;
      to += aligned(numbers(n));
    }
    make_all(begin, end, windows, run_slice);
  }

 private:
  /// Of a window, [floats].
  [[nodiscard]] std::size_t numbers(std::size_t n) const {
    const Shape& s = nodes_[n].out;
    return static_cast<std::size_t>(rooms_[n]) * static_cast<std::size_t>(s.width) *
           static_cast<std::size_t>(s.channels);
  }
  /// To lines of the cache.
  static std::size_t aligned(std::size_t numbers) { return (numbers + 15) / 16 * 16; }

  /// The first row of node n's output that a slice of the next node's reads, and the one behind the
  /// last.
  [[nodiscard]] Slice read(std::size_t n, const Slice& slice) const {
    const Node& reader = nodes_[n + 1];
    return {.first = std::max(0, slice.from * reader.stride - reader.padding),
            .last = std::min((slice.last - 1) * reader.stride - reader.padding + reader.size,
                             nodes_[n].out.height)};
  }

  /// The first row of node n's output that will be read from now on.
  [[nodiscard]] int still_read(std::size_t n, const Windows& windows) const {
    int row = nodes_[n].out.height;
    const auto next_of = [&](std::size_t reader, const auto& first_read) {
      const auto k = windows.at_[reader].next;
      if (k < nodes_[reader].slices.size())
        row = std::min(row, first_read(nodes_[reader].slices[k]));
    };
    next_of(n + 1, [&](const Slice& slice) { return read(n, slice).first; });
    for (std::size_t r = n + 1; r < nodes_.size(); ++r)
      if (nodes_[r].residual == n) next_of(r, [](const Slice& slice) { return slice.first; });
    return row;
  }

  template <class RunSlice>
  void make_all(std::size_t begin, std::size_t end, Windows& windows,
                const RunSlice& run_slice) const {
    // Each node begins with the first slice that is read: the last one, where only padding is.
    windows.at_[last()].next = begin;
    for (auto n = last(); n-- > 0;) {
      const auto& slices = nodes_[n].slices;
      auto& next = windows.at_[n].next;
      const int row = still_read(n, windows);
      while (next + 1 < slices.size() && slices[next].last <= row) ++next;
    }
    make(last(), end == 0 ? 0 : nodes_.back().slices[end - 1].last, windows, run_slice);
  }

  /// Computes node n's output down to a row.
  template <class RunSlice>
  void make(std::size_t n, int end, Windows& windows, const RunSlice& run_slice) const {
    auto& window = windows.at_[n];
    const auto& slices = nodes_[n].slices;
    for (; window.next < slices.size() && slices[window.next].first < end; ++window.next) {
      const Slice& slice = slices[window.next];
      if (n > 0) make(n - 1, read(n - 1, slice).last, windows, run_slice);
      if (const auto from = nodes_[n].residual; from != kNone)
        make(from, slice.last, windows, run_slice);  // nearly always there already
      if (n < last()) make_room(n, slice, windows);
      run_slice(n, window.next, std::as_const(windows));
    }
  }

  /// Drops rows that no one reads any more, if there is no room for a slice.
  void make_room(std::size_t n, const Slice& slice, Windows& windows) const {
    auto& window = windows.at_[n];
    const int keep = std::min(still_read(n, windows), slice.first);
    window.most = std::max(window.most, slice.last - keep);
    const bool is_empty = window.rows.first == window.rows.last;
    if (is_empty || slice.last - window.rows.first > rooms_[n]) {
      if (!is_empty) move(n, keep, window);
      window.rows.first = keep;
    }
    window.rows.last = slice.last;
  }

  /// Moves the rows of a window from `first` on to its beginning.
  void move(std::size_t n, int first, Windows::Window& window) const {
    const Shape& shape = nodes_[n].out;
    const bool planes = layout_ == Layout::kPlanes;
    const std::int64_t row = std::int64_t{shape.width} * (planes ? 1 : shape.channels);
    for (int c = 0; c < (planes ? shape.channels : 1) && first < window.rows.last; ++c) {
      float* to = window.data + c * window.plane;
      std::copy(to + (first - window.rows.first) * row,
                to + (window.rows.last - window.rows.first) * row, to);
    }
  }

  std::vector<Node> nodes_;
  Layout layout_;
  std::vector<int> rooms_;   // rows of each window
  std::size_t numbers_ = 0;  // of all windows
};

}  // namespace serpette::deploy
