#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "serpette/core/contract.hpp"

namespace serpette::deploy {

/// Where the numbers of a map lie.
struct ValueRange {
  float least = 0, most = 0;
};

/// Ranges of what convolutions read, by the convolution's name.
using Ranges = std::map<std::string, ValueRange>;

/// How bytes stand for the numbers of a map:  x ≈ scale · (q − zero_point), q in 0 … 255. Zero is
/// exact, which is what lies outside a map.
struct Quantization {
  float scale = 1;
  std::int32_t zero_point = 0;

  bool operator==(const Quantization&) const = default;

  /// The finest that holds a range, and zero; what lies beyond is clipped.
  static Quantization of(const ValueRange& range) {
    const double least = std::min(range.least, 0.0F), most = std::max(range.most, 0.0F);
    const double scale = std::max((most - least) / 255, 1e-30);
    return {static_cast<float>(scale), static_cast<std::int32_t>(std::lround(-least / scale))};
  }

  /// The nearest byte, to even where two are as near; 0 for what is not a number.
  std::uint8_t operator()(float value) const {
    const float at = std::nearbyint(value * (1 / scale)) + static_cast<float>(zero_point);
    return static_cast<std::uint8_t>(std::min(std::max(0.0F, at), 255.0F));
  }

  [[nodiscard]] bool is_valid() const {
    return std::isfinite(scale) && scale > 0 && zero_point >= 0 && zero_point <= 255;
  }
};

/// The weights of one filter as signed bytes:  w ≈ scale · q, q in −127 … 127.
struct QuantizedFilter {
  float scale = 1;
  std::int32_t sum = 0;              ///< Σ q
  std::vector<std::int8_t> weights;  ///< q

  /// @throws Error  if a weight is not finite.
  explicit QuantizedFilter(std::span<const float> filter) {
    float largest = 0;
    for (const float w : filter) {
      require(std::isfinite(w), "int8", "should have finite weights, got {}", w);
      largest = std::max(largest, std::abs(w));
    }
    // Of less than the smallest normal number a 127th may be 0.
    if (largest > 0) scale = std::max(largest / 127, std::numeric_limits<float>::min());
    for (const float w : filter) {
      weights.push_back(static_cast<std::int8_t>(std::nearbyint(w / scale)));
      sum += weights.back();
    }
  }

  /// What bytes q of a map make of the filter:  Σ x w + bias ≈ scale · Σ q w + bias, since
  /// Σ (q − zero_point) w = Σ q w − zero_point Σ w.
  struct OfSum {
    float scale, bias;
  };
  [[nodiscard]] OfSum of_sum(const Quantization& map, float bias) const {
    const float worth = map.scale * scale;
    return {worth, bias - worth * static_cast<float>(map.zero_point * sum)};
  }
};

}  // namespace serpette::deploy
