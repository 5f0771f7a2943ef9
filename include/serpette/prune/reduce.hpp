#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <numeric>

#include "serpette/core/settings.hpp"

namespace serpette {

/// How the |scores| of a piece's weights become its importance.
enum class Reducer {
  kMean,  ///< Σ|s| / n: pieces of different size count alike.
  kSum,   ///< Σ|s|: what goes in all.
  kMax,   ///< max|s|: one weight that matters keeps its piece.
  kRms,   ///< √(Σ s² / n): between mean and max.
};

constexpr auto words(Reducer) {
  return std::array<Word<Reducer>, 4>{{{"mean", Reducer::kMean},
                                       {"sum", Reducer::kSum},
                                       {"max", Reducer::kMax},
                                       {"rms", Reducer::kRms}}};
}

/// The importance of `count` scores that follow each other. Sums are in double; long ones in eight
/// interleaved parts, which the compiler turns into vectors.
inline double reduce(Reducer reducer, const float* scores, std::int64_t count) {
  const auto sum = [&](auto term) {
    double parts[8] = {};
    std::int64_t j = 0;
    for (; count >= 64 && j + 8 <= count; j += 8)
      for (int lane = 0; lane < 8; ++lane) parts[lane] += term(scores[j + lane]);
    for (; j < count; ++j) parts[0] += term(scores[j]);
    return std::accumulate(std::begin(parts), std::end(parts), 0.0);
  };
  const auto magnitude = [](float s) { return std::abs(static_cast<double>(s)); };
  switch (reducer) {
    case Reducer::kMean:
      return sum(magnitude) / static_cast<double>(count);
    case Reducer::kSum:
      return sum(magnitude);
    case Reducer::kMax:
      return std::accumulate(scores, scores + count, 0.0, [&](double highest, float s) {
        const double m = magnitude(s);  // NaN comes out as NaN
        return m <= highest || highest != highest ? highest : m;
      });
    case Reducer::kRms:
      return std::sqrt(sum([](float s) { return static_cast<double>(s) * s; }) /
                       static_cast<double>(count));
  }
  return 0;
}

}  // namespace serpette
