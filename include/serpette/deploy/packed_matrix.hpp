#pragma once

/// @internal Weights as the dense kernels read them.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "serpette/deploy/dense_job.hpp"
#include "serpette/deploy/plan_archive.hpp"
#include "serpette/deploy/stored_array.hpp"

namespace serpette::deploy {

/// A matrix [K, N] as MultiplyJob reads it: panels of two vectors of columns (the last perhaps of
/// one), each [K / together][columns][together] in one run, zeros behind the last column; together:
/// kTogether, of float 1.
template <class Number>
class PackedMatrix {
 public:
  /// Zeros, to be filled.
  /// @param rows  a multiple of kTogether.
  PackedMatrix(std::int64_t rows, std::int64_t columns, int lanes)
      : rows_(rows), lanes_(lanes), vectors_((columns + lanes - 1) / lanes) {
    const AlignedZeros<Number> zeros(size(rows, columns, lanes));
    filled_ = zeros.data;
    data_ = {zeros.memory, std::span<const Number>(filled_, zeros.size)};
  }
  /// What `write` wrote of one of these extents.
  PackedMatrix(std::int64_t rows, std::int64_t columns, int lanes, PlanReader& from)
      : rows_(rows),
        lanes_(lanes),
        vectors_((columns + lanes - 1) / lanes),
        data_(from.array<Number>(size(rows, columns, lanes))) {}

  void write(PlanWriter& to) const { to.array(data_); }

  /// Numbers of one of these extents.
  [[nodiscard]] static std::size_t size(std::int64_t rows, std::int64_t columns, int lanes) {
    return static_cast<std::size_t>(rows * ((columns + lanes - 1) / lanes * lanes));
  }

  [[nodiscard]] std::int64_t rows() const { return rows_; }
  [[nodiscard]] std::int64_t panels() const { return (vectors_ + 1) / 2; }
  [[nodiscard]] int vectors(std::int64_t panel) const {
    return static_cast<int>(std::min<std::int64_t>(2, vectors_ - 2 * panel));
  }
  /// First column of a panel.
  [[nodiscard]] std::int64_t column(std::int64_t panel) const { return panel * 2 * lanes_; }
  [[nodiscard]] const Number* panel(std::int64_t panel) const {
    return data_.data() + column(panel) * rows_;
  }

  /// Columns from a multiple of so many on that lie side by side, as `fill` wants them: a line of
  /// the cache at most.
  [[nodiscard]] int side_by_side() const {
    return static_cast<int>(std::min<std::int64_t>(16, 2 * lanes_));
  }
  /// Gives some columns that lie side by side their values in a row; of a matrix that was not read.
  /// @param value  value(i) of the i-th of them.
  template <class Value>
  void fill(std::int64_t row, std::int64_t first_column, int count, const Value& value) {
    constexpr int kSide = kTogether<Number>;
    const auto p = first_column / (2 * lanes_), width = std::int64_t{vectors(p)} * lanes_;
    Number* to = filled_ + column(p) * rows_ +
                 (row / kSide * width + first_column - column(p)) * kSide + row % kSide;
    for (int i = 0; i < count; ++i) to[i * kSide] = Number(value(i));
  }

 private:
  std::int64_t rows_, lanes_, vectors_;
  StoredArray<Number> data_;
  Number* filled_ = nullptr;
};

/// How the last block of rows ends with the last row: it is as large as the others and repeats some
/// of their rows; or as small as it may be, which is worth it where weights are near, and are not
/// what a block waits for.
enum class LastBlock { kEqual, kSmall };

/// Rows of a product cut into blocks of one size that registers hold, but perhaps for the last.
template <class Number>
class RowBlocks {
 public:
  RowBlocks(std::int64_t rows, const ProductKernels<Number>& kernels,
            LastBlock how = LastBlock::kEqual)
      : rows_(rows), kernels_(&kernels) {
    std::int64_t least = 0;
    for (std::size_t i = 0; i < kBlockRows.size(); ++i) {
      const std::int64_t size = kBlockRows[i], rest = rows % size;
      if (size > rows || size > kernels.most_rows) break;
      std::size_t last = i;
      if (rest != 0 && how == LastBlock::kSmall)
        for (last = 0; kBlockRows[last] < rest;) ++last;
      // Of what costs the same, equal blocks are preferred, and large ones.
      const auto cost = (rows - 1) / size * halves(size) + halves(kBlockRows[last]);
      if (i > 0 && (last != i ? cost >= least : cost > least)) continue;
      least = cost;
      which_ = i;
      last_ = last;
      count_ = (rows + size - 1) / size;
    }
  }

  /// The b-th of `blocks` stretches of rows begins with this one: with a whole block of rows of the
  /// size that costs least a row, where there are as many.
  static std::int64_t cut(std::int64_t rows, std::int64_t b, std::int64_t blocks,
                          const ProductKernels<Number>& kernels) {
    const std::int64_t size = std::min(kernels.most_rows, kCheapest),
                       whole = (rows + size - 1) / size;
    if (b == blocks) return rows;
    return whole < blocks ? rows * b / blocks : whole * b / blocks * size;
  }

  [[nodiscard]] std::int64_t count() const { return count_; }
  [[nodiscard]] int size(std::int64_t block) const { return kBlockRows[which(block)]; }
  [[nodiscard]] std::int64_t first(std::int64_t block) const {
    return std::min<std::int64_t>(block * kBlockRows[which_], rows_ - size(block));
  }
  [[nodiscard]] typename ProductKernels<Number>::Multiply kernel(std::int64_t block, int vectors,
                                                                 bool fetches = false) const {
    return kernels_->multiply[fetches ? 1 : 0][which(block)][static_cast<std::size_t>(vectors - 1)];
  }

 private:
  static constexpr int kCheapest = 10;
  /// What a block takes, in halves of a row: one row more than it has, and one and a half where its
  /// rows want more pointers than x86 has registers.
  static std::int64_t halves(std::int64_t rows) { return 2 * rows + (rows > kCheapest ? 3 : 2); }

  [[nodiscard]] std::size_t which(std::int64_t block) const {
    return block + 1 < count_ ? which_ : last_;
  }

  std::int64_t rows_, count_ = 0;
  const ProductKernels<Number>* kernels_;
  std::size_t which_ = 0, last_ = 0;  // in kBlockRows: of all blocks, and of the last
};

}  // namespace serpette::deploy
