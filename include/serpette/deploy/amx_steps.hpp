#pragma once

/// @internal In which steps a convolution by tiles adds up its products.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "serpette/deploy/amx_job.hpp"
#include "serpette/deploy/narrow_numbers.hpp"
#include "serpette/graph/graph.hpp"

namespace serpette::deploy {

/// A step multiplies a tile of positions and one of weights, of which a row has kAmxDepth numbers:
/// a chunk of what a tap of the kernel reads. Of one chunk all taps follow each other, since what
/// they read is nearly the same.
///
/// Where channels fill whole chunks, a tap is a cell of the kernel. Elsewhere it is a row of it,
/// whose k · depth() numbers lie side by side; its last chunk ends with them, and has zeros for
/// weights of what the chunk before it has, too.
template <class Number>
class AmxSteps {
 public:
  static constexpr std::int64_t kChunk = kAmxDepth<Number>;

  AmxSteps(const Convolutional& c, const Shape& in)
      : size_(c.size),
        by_cell_(in.channels % kChunk == 0),
        depth_((in.channels + kTogether<Number> - 1) / kTogether<Number> * kTogether<Number>),
        taps_(std::int64_t{size_} * (by_cell_ ? size_ : 1)),
        read_((by_cell_ ? 1 : size_) * depth_),
        chunks_((read_ + kChunk - 1) / kChunk) {
    // An odd number of lines of the cache, or many cells would lie in the same places of it.
    if (by_cell_ && chunks_ % 2 == 0) depth_ += kChunk;
  }

  [[nodiscard]] std::int64_t count() const { return chunks_ * taps_; }
  /// From a cell of the rounded input to the next [numbers].
  [[nodiscard]] std::int64_t depth() const { return depth_; }
  /// Numbers of a cell that are read: its channels and what fills them up to whole operands of an
  /// instruction, which has to be finite.
  [[nodiscard]] std::int64_t filled() const { return by_cell_ ? read_ : depth_; }
  /// Whether a tap is shorter than a chunk: what lies behind it is read, and has to be finite, too.
  [[nodiscard]] bool reads_on() const { return read_ < kChunk; }
  /// That a step reads from a position on, at most.
  [[nodiscard]] std::int64_t reach() const { return chunks_ * kChunk; }

  /// Rows of the matrix of weights, and that of a weight: step s has rows kChunk · s and on.
  [[nodiscard]] std::int64_t rows() const { return count() * kChunk; }
  [[nodiscard]] std::int64_t row(int channel, int cell) const {
    const std::int64_t tap = by_cell_ ? cell : cell / size_,
                       at = by_cell_ ? channel : cell % size_ * depth_ + channel;
    const auto chunk = at / kChunk;
    return (chunk * taps_ + tap) * kChunk + at - begin(chunk);
  }

  /// Where each step begins to read.
  /// @param row  from a row of the rounded input to the next [numbers].
  [[nodiscard]] std::vector<std::ptrdiff_t> places(std::int64_t row) const {
    std::vector<std::ptrdiff_t> found;
    for (std::int64_t chunk = 0; chunk < chunks_; ++chunk)
      for (std::int64_t tap = 0; tap < taps_; ++tap)
        found.push_back(begin(chunk) +
                        (by_cell_ ? tap / size_ * row + tap % size_ * depth_ : tap * row));
    return found;
  }

 private:
  /// Where a chunk begins in a tap.
  [[nodiscard]] std::int64_t begin(std::int64_t chunk) const {
    return std::max<std::int64_t>(std::min(chunk * kChunk, read_ - kChunk), 0);
  }

  int size_;
  bool by_cell_;
  std::int64_t depth_, taps_;
  std::int64_t read_;  // numbers of a tap
  std::int64_t chunks_;
};

}  // namespace serpette::deploy
