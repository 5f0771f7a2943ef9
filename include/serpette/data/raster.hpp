#pragma once

/// @internal How drawn_scenes.hpp fills shapes.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace serpette {

/// A point in 1/256 of a pixel. Drawing is integer arithmetic throughout, so that equal seeds give
/// equal pictures on every machine and compiler.
struct Point {
  std::int64_t x = 0, y = 0;
  friend bool operator==(const Point&, const Point&) = default;
};
inline constexpr std::int64_t kSubpixels = 256;

using Contour = std::vector<Point>;

/// Closed contours under the even-odd rule: a contour within another is a hole.
struct Outline {
  std::vector<Contour> contours;

  struct Extent {
    std::int64_t left, top, right, bottom;  ///< 1/256 of a pixel
  };
  [[nodiscard]] Extent extent() const {
    Extent e{contours.front().front().x, contours.front().front().y, contours.front().front().x,
             contours.front().front().y};
    for (const auto& contour : contours)
      for (const auto& p : contour)
        e = {std::min(e.left, p.x), std::min(e.top, p.y), std::max(e.right, p.x),
             std::max(e.bottom, p.y)};
    return e;
  }

  /// Every point p becomes p · numerator / denominator + shift.
  [[nodiscard]] Outline moved(std::int64_t numerator, std::int64_t denominator, Point shift) const {
    Outline result = *this;
    for (auto& contour : result.contours)
      for (auto& p : contour)
        p = {p.x * numerator / denominator + shift.x, p.y * numerator / denominator + shift.y};
    return result;
  }
};

/// Sine and cosine of k · 2π / 256, in 1/2^30.
class Turns {
 public:
  static std::int64_t cos(std::int64_t k) { return table()[static_cast<std::size_t>(k & 255)].x; }
  static std::int64_t sin(std::int64_t k) { return table()[static_cast<std::size_t>(k & 255)].y; }
  static constexpr int kBits = 30;

 private:
  static const std::array<Point, 256>& table() {
    static constexpr auto kTable = [] {
      constexpr std::int64_t c = 1073418433, s = 26350943;  // of one step
      std::array<Point, 256> table{};
      Point p{std::int64_t{1} << kBits, 0};
      for (auto& entry : table) {
        entry = p;
        p = {(p.x * c - p.y * s) >> kBits, (p.x * s + p.y * c) >> kBits};
      }
      return table;
    }();
    return kTable;
  }
};

/// The point at `radius` in direction k · 2π / 256.
inline Point polar(std::int64_t radius, std::int64_t k) {
  return {(radius * Turns::cos(k)) >> Turns::kBits, (radius * Turns::sin(k)) >> Turns::kBits};
}
inline Point turned(Point p, std::int64_t k) {
  const auto c = Turns::cos(k), s = Turns::sin(k);
  return {(p.x * c - p.y * s) >> Turns::kBits, (p.x * s + p.y * c) >> Turns::kBits};
}

/// Calls `paint(x, y, coverage)` for every pixel of a width × height picture that the outline
/// touches; coverage in (0, 256]: exact along x, four lines a pixel along y.
template <class Paint>
void rasterize(const Outline& outline, int width, int height, Paint&& paint) {
  constexpr std::int64_t kLines = 4, kStep = kSubpixels / kLines;
  const auto extent = outline.extent();
  const auto first = std::max<std::int64_t>(0, extent.top / kSubpixels - 1);
  const auto last = std::min<std::int64_t>(height - 1, extent.bottom / kSubpixels);
  const std::int64_t right = width * kSubpixels;
  std::vector<std::int64_t> coverage(static_cast<std::size_t>(width) + 1), crossings;
  for (std::int64_t y = first; y <= last; ++y) {
    std::int64_t begin = width, end = 0;
    for (std::int64_t line = 0; line < kLines; ++line) {
      const std::int64_t at = y * kSubpixels + line * kStep + kStep / 2;
      crossings.clear();
      for (const auto& contour : outline.contours) {
        const Point* a = &contour.back();
        for (const Point& b : contour) {
          if ((a->y <= at) != (b.y <= at))
            crossings.push_back(a->x + (b.x - a->x) * (at - a->y) / (b.y - a->y));
          a = &b;
        }
      }
      std::ranges::sort(crossings);
      for (std::size_t i = 0; i + 1 < crossings.size(); i += 2) {
        const auto l = std::clamp<std::int64_t>(crossings[i], 0, right);
        const auto r = std::clamp<std::int64_t>(crossings[i + 1], 0, right);
        if (l >= r) continue;
        const auto a = l / kSubpixels, b = r / kSubpixels;
        begin = std::min(begin, a);
        end = std::max(end, std::min<std::int64_t>(b + 1, width));
        const auto add = [&](std::int64_t x, std::int64_t amount) {
          coverage[static_cast<std::size_t>(x)] += amount;
        };
        if (a == b) {
          add(a, r - l);
        } else {
          add(a, kSubpixels - l % kSubpixels);
          for (auto x = a + 1; x < b; ++x) add(x, kSubpixels);
          add(b, r % kSubpixels);
        }
      }
    }
    for (auto x = begin; x < end; ++x)
      if (const auto c = coverage[static_cast<std::size_t>(x)] / kLines; c > 0)
        paint(static_cast<int>(x), static_cast<int>(y), static_cast<int>(c));
    std::ranges::fill(coverage, 0);
  }
}

}  // namespace serpette
