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
#include "serpette/deploy/kept_maps.hpp"
#include "serpette/deploy/map.hpp"
#include "serpette/deploy/rounded_map.hpp"
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

  /// How a node's output is kept, in one of the ways that a plan keeps maps.
  struct Copy {
    std::int64_t row = 0;     ///< Bytes of a row of a plane; 0: it is not kept so.
    std::int64_t planes = 1;  ///< That lie one behind the other.
    std::int64_t behind = 0;  ///< Bytes behind the last row that may be read.

    /// Floats in a layout.
    static Copy numbers(const Shape& s, Layout layout) {
      const auto row = std::int64_t{sizeof(float)} * s.width;
      if (layout == Layout::kPlanes) return {.row = row, .planes = s.channels};
      return {.row = row * s.channels};
    }
    static Copy rounded(const RoundedLayout& layout) {
      return {.row = layout.row(), .behind = layout.behind * layout.of_number()};
    }
  };
  using Copies = std::array<Copy, KeptMaps::kWays>;

  struct Node {
    std::vector<Slice> slices;  ///< Of its output, from the top down.
    Shape out;
    int size = 1, stride = 1, padding = 0;  ///< Of its kernel.
    std::size_t residual = kNone;           ///< The node whose output it adds, if it is one.
    Copies copies = {};                     ///< Of its output; the last node's is a whole map.
    int around = 0;  ///< Rows of padding above and below it that are kept, too.

    /// The rows that are kept of a slice.
    [[nodiscard]] Slice kept(std::size_t k) const {
      Slice slice = slices[k];
      if (k == 0) slice.first -= around;
      if (k + 1 == slices.size()) slice.last += around;
      return slice;
    }
  };

  /// What of the nodes' outputs is in memory, for one thread.
  class Windows {
   public:
    /// Where rows are in memory, from row `first` on.
    struct Rows {
      std::byte* data;
      std::int64_t first;
      std::int64_t plane;  ///< Bytes from one plane to the next.
    };
    /// @param way  in which the node's output is kept; null if it is not.
    [[nodiscard]] Rows operator()(std::size_t node, std::size_t way) const {
      const auto& window = at_[node];
      return {window.data[way], window.rows.first, window.planes[way]};
    }

   private:
    friend SliceChain;
    struct Window {
      std::array<std::byte*, KeptMaps::kWays> data{};
      std::array<std::int64_t, KeptMaps::kWays> planes{};
      Slice rows;
      std::size_t next = 0;  // of the node's slices
      int most = 0;          // rows that were needed at a time
    };
    std::array<Window, kMostNodes> at_;
  };

  /// @param nodes  two at least, each with slices.
  explicit SliceChain(std::vector<Node> nodes) : nodes_(std::move(nodes)) {
    require(nodes_.size() >= 2 && nodes_.size() <= kMostNodes, "chain",
            "should be of 2 to {} convolutions, got {}", kMostNodes, nodes_.size());
    for (std::size_t n = 0; n < nodes_.size(); ++n) rooms_.push_back(height(n));
    // Once without computing anything, to see how many rows are needed.
    Windows windows;
    make_all(0, slices(), windows, [](std::size_t, std::size_t, const Windows&) {});
    for (std::size_t n = 0; n < last(); ++n) {
      int tallest = 0;
      for (const Slice& slice : nodes_[n].slices)
        tallest = std::max(tallest, slice.last - slice.first);
      // Where many rows stay, they do not move at every slice.
      const int most = windows.at_[n].most, stay = most - tallest;
      rooms_[n] = std::min(most + (4 * stay > tallest ? 2 * tallest : 0), height(n));
      for (const Copy& copy : nodes_[n].copies) bytes_ += bytes(n, copy);
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
    thread_local AlignedZeros<std::byte> memory(0);
    if (memory.size < bytes_) memory = AlignedZeros<std::byte>(bytes_);
    Windows windows;
    std::byte* to = memory.data;
    for (std::size_t n = 0; n < last(); ++n)
      for (std::size_t way = 0; way < KeptMaps::kWays; ++way) {
        const Copy& copy = nodes_[n].copies[way];
        if (copy.row == 0) continue;
        windows.at_[n].data[way] = to;
        windows.at_[n].planes[way] = rooms_[n] * copy.row;
        to += bytes(n, copy);
      }
    make_all(begin, end, windows, run_slice);
  }

 private:
  /// Rows of node n's output, with those of the padding that are kept.
  [[nodiscard]] int height(std::size_t n) const {
    return nodes_[n].out.height + 2 * nodes_[n].around;
  }
  /// Of a window, in whole lines of the cache.
  [[nodiscard]] std::size_t bytes(std::size_t n, const Copy& copy) const {
    constexpr std::int64_t kLine = 64;
    if (copy.row == 0) return 0;
    return static_cast<std::size_t>((rooms_[n] * copy.row * copy.planes + copy.behind + kLine - 1) /
                                    kLine * kLine);
  }

  /// The first row of node n's output that a slice of the next node's reads, and the one behind the
  /// last.
  [[nodiscard]] Slice read(std::size_t n, const Slice& slice) const {
    const Node& reader = nodes_[n + 1];
    const int around = nodes_[n].around;
    return {.first = std::max(-around, slice.from * reader.stride - reader.padding),
            .last = std::min((slice.last - 1) * reader.stride - reader.padding + reader.size,
                             nodes_[n].out.height + around)};
  }

  /// The first row of node n's output that will be read from now on.
  [[nodiscard]] int still_read(std::size_t n, const Windows& windows) const {
    int row = nodes_[n].out.height + nodes_[n].around;
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
      const Node& node = nodes_[n];
      auto& next = windows.at_[n].next;
      const int row = still_read(n, windows);
      while (next + 1 < node.slices.size() && node.kept(next).last <= row) ++next;
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
      if (n < last()) make_room(n, nodes_[n].kept(window.next), windows);
      run_slice(n, window.next, std::as_const(windows));
    }
  }

  /// Drops rows that no one reads any more, if there is no room for those of a slice.
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
    if (first >= window.rows.last) return;
    for (std::size_t way = 0; way < KeptMaps::kWays; ++way) {
      const Copy& copy = nodes_[n].copies[way];
      for (std::int64_t p = 0; p < (copy.row == 0 ? 0 : copy.planes); ++p) {
        std::byte* to = window.data[way] + p * window.planes[way];
        std::copy(to + (first - window.rows.first) * copy.row,
                  to + (window.rows.last - window.rows.first) * copy.row, to);
      }
    }
  }

  std::vector<Node> nodes_;
  std::vector<int> rooms_;  // rows of each window
  std::size_t bytes_ = 0;   // of all windows
};

}  // namespace serpette::deploy
