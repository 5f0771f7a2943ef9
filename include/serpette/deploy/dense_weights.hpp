#pragma once

/// @internal Weights of a dense convolution that is one matrix product.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "serpette/deploy/narrow_numbers.hpp"
#include "serpette/deploy/packed_matrix.hpp"
#include "serpette/deploy/plan_archive.hpp"
#include "serpette/deploy/quantization.hpp"
#include "serpette/deploy/stored_array.hpp"
#include "serpette/deploy/workers.hpp"
#include "serpette/graph/graph.hpp"

namespace serpette::deploy {

/// The matrix of a convolution's weights rounded to `Number`, and what becomes of its sums: biases,
/// and of Int8 what 1 in a sum is worth.
template <class Number>
class DenseWeights {
 public:
  /// @param channels  of the input.
  /// @param weight    [C_out, C_in, k, k]
  /// @param bias      [C_out]
  /// @param rounding  of the input.
  /// @param rows      of the matrix, a multiple of kTogether.
  /// @param row_of    row_of(channel, tap): the row of a weight; the others stay zero.
  template <class RowOf>
  DenseWeights(const Convolutional& c, int channels, const float* weight, const float* bias,
               const Rounding<Number>& rounding, std::int64_t rows, int lanes, const RowOf& row_of)
      : filters_(c.filters), lanes_(lanes), matrix_(rows, c.filters, lanes) {
    const int taps = c.size * c.size;
    const auto of_filter = std::ptrdiff_t{channels} * taps;
    // Of some filters that lie side by side.
    const auto pack = [&](int first, int count, const auto* weights) {
      for (int i = 0; i < channels; ++i)
        for (int tap = 0; tap < taps; ++tap, ++weights)
          matrix_.fill(row_of(i, tap), first, count, [&](int f) { return weights[f * of_filter]; });
    };
    std::vector<float> biases(whole_filters(), 0.0F), scales(kIsScaled ? whole_filters() : 0);
    std::copy_n(bias, c.filters, biases.begin());
    if constexpr (kIsScaled) {
      for (int f = 0; f < c.filters; ++f) {
        const auto at = static_cast<std::size_t>(f);
        const QuantizedFilter quantized(
            std::span(weight + f * of_filter, static_cast<std::size_t>(of_filter)));
        pack(f, 1, quantized.weights.data());
        const auto of_sum = quantized.of_sum(rounding.by, biases[at]);
        scales[at] = of_sum.scale;
        biases[at] = of_sum.bias;
      }
    } else {
      const int side = matrix_.side_by_side();
      for (int f = 0; f < c.filters; f += side)
        pack(f, std::min(side, c.filters - f), weight + f * of_filter);
    }
    bias_ = std::move(biases);
    scale_ = std::move(scales);
  }
  /// What `write` wrote of a matrix of the same extents.
  DenseWeights(const Convolutional& c, std::int64_t rows, int lanes, PlanReader& from)
      : filters_(c.filters),
        lanes_(lanes),
        matrix_(rows, c.filters, lanes, from),
        bias_(from.array<float>(whole_filters())) {
    if constexpr (kIsScaled) scale_ = from.array<float>(whole_filters());
  }

  void write(PlanWriter& to) const {
    matrix_.write(to);
    to.array(bias_);
    if constexpr (kIsScaled) to.array(scale_);
  }

  [[nodiscard]] std::int64_t panels() const { return matrix_.panels(); }
  /// Vectors of filters in a panel.
  [[nodiscard]] int vectors(std::int64_t panel) const { return matrix_.vectors(panel); }
  /// The numbers of panels begin … end − 1, which follow each other.
  [[nodiscard]] std::span<const Number> numbers(std::int64_t begin, std::int64_t end) const {
    const Number* first = matrix_.panel(begin);
    const Number* last = matrix_.panel(end - 1) + matrix_.rows() * vectors(end - 1) * lanes_;
    return {first, last};
  }
  /// First filter of a panel.
  [[nodiscard]] std::int64_t filter(std::int64_t panel) const { return matrix_.column(panel); }

  /// Gives a MultiplyJob, or the like, what it needs to know of a panel.
  template <class Job>
  void give(std::int64_t panel, Job& job) const {
    const auto of = filter(panel);
    job.weights = matrix_.panel(panel);
    job.bias = bias_.data() + of;
    if constexpr (kIsScaled) job.scale = scale_.data() + of;
    job.columns = static_cast<int>(std::min(filters_ - of, vectors(panel) * lanes_));
  }

  /// Calls run(block, first_panel, last_panel) for every block of the output with all panels, or
  /// with parts of them where the threads would not have as many blocks each.
  /// @param parallel  as of WinogradConvolution::run.
  template <class Parallel, class Run>
  void in_pieces(std::int64_t blocks, const Parallel& parallel, int threads, const Run& run) const {
    const auto parts = parts_of_each(blocks, threads, panels());
    parallel(blocks * parts, [&](std::int64_t begin, std::int64_t end) {
      for (auto piece = begin; piece < end; ++piece) {
        const auto part = piece % parts;
        run(piece / parts, panels() * part / parts, panels() * (part + 1) / parts);
      }
    });
  }

 private:
  static constexpr bool kIsScaled = std::is_same_v<Number, Int8>;

  [[nodiscard]] std::size_t whole_filters() const {
    return static_cast<std::size_t>((filters_ + lanes_ - 1) / lanes_ * lanes_);
  }

  std::int64_t filters_, lanes_;
  PackedMatrix<Number> matrix_;
  StoredArray<float> bias_, scale_;  // in whole vectors
};

}  // namespace serpette::deploy
