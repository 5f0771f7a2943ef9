#pragma once

/// @internal The outlines that drawn_scenes.hpp draws.

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "serpette/core/seed.hpp"
#include "serpette/data/raster.hpp"

/// @file
/// What drawn scenes are made of: colours, class shapes, textures. Integers only.

namespace serpette::detail {

using Color = std::array<int, 3>;  // RGB, 0 to 255 (below or above while mixing)

inline int luma(const Color& c) { return (299 * c[0] + 587 * c[1] + 114 * c[2]) / 1000; }

/// `base` (any scale) brought to a luma.
inline Color with_luma(const Color& base, int wanted) {
  const int own = std::max(1, luma(base));
  return {base[0] * wanted / own, base[1] * wanted / own, base[2] * wanted / own};
}

/// The shape of a class, about the origin, some 2 · 2^12 units across.
inline Outline shape(int category, Generator& rng) {
  constexpr std::int64_t kRadius = 4096;
  const auto regular = [](std::int64_t radius, int corners, int phase = 0) {
    Contour contour;
    for (int i = 0; i < corners; ++i) contour.push_back(polar(radius, phase + 256 * i / corners));
    return contour;
  };
  Outline outline;
  switch (category) {
    case 0:
    case 1:
      outline.contours = {regular(kRadius, 64)};
      break;
    case 2:
    case 3:
      outline.contours = {regular(kRadius, 4, 32)};
      break;
    case 4: {
      Contour star;
      const auto inner = kRadius * static_cast<std::int64_t>(40 + rng.below(10)) / 100;
      for (int i = 0; i < 10; ++i)
        star.push_back(polar(i % 2 == 0 ? kRadius : inner, 256 * i / 10));
      outline.contours = {std::move(star)};
      break;
    }
    case 5: {
      const auto hole = kRadius * static_cast<std::int64_t>(50 + rng.below(16)) / 100;
      outline.contours = {regular(kRadius, 64), regular(hole, 64)};
      break;
    }
    case 6:
      outline.contours = {regular(kRadius, 3)};
      break;
    default: {
      const auto a = kRadius, b = kRadius * static_cast<std::int64_t>(28 + rng.below(10)) / 100;
      outline.contours = {{{a, -b},
                           {a, b},
                           {b, b},
                           {b, a},
                           {-b, a},
                           {-b, b},
                           {-a, b},
                           {-a, -b},
                           {-b, -b},
                           {-b, -a},
                           {b, -a},
                           {b, -b}}};
    }
  }
  // A little wider or narrower, then turned.
  const auto stretch = static_cast<std::int64_t>(85 + rng.below(31));
  const auto turn = static_cast<std::int64_t>(rng.below(256));
  for (auto& contour : outline.contours)
    for (auto& p : contour) p = turned({p.x * stretch / 100, p.y}, turn);
  return outline;
}

/// Value noise: random values at the corners of square cells, smoothly blended; 0 to 255.
struct ValueNoise {
  int cell, columns;
  std::vector<int> corners;

  ValueNoise(int cell, int width, int height, Generator& rng)
      : cell(cell), columns(width / cell + 2) {
    corners.resize(static_cast<std::size_t>(columns) * static_cast<std::size_t>(height / cell + 2));
    for (auto& v : corners) v = static_cast<int>(rng.below(256));
  }
  [[nodiscard]] int at(int x, int y) const {
    const auto ease = [](int t) { return t * t * (768 - 2 * t) >> 16; };  // smoothstep on 0…256
    const int u = ease(256 * (x % cell) / cell), v = ease(256 * (y % cell) / cell);
    const int* c = corners.data() + columns * (y / cell) + x / cell;
    return ((c[0] * (256 - u) + c[1] * u) * (256 - v) +
            (c[columns] * (256 - u) + c[columns + 1] * u) * v) >>
           16;
  }
};

/// A bar through `centre`, half its length and thickness given.
inline Outline bar(Point centre, std::int64_t length, std::int64_t thickness, std::int64_t turn) {
  Outline outline{
      {{{-length, -thickness}, {length, -thickness}, {length, thickness}, {-length, thickness}}}};
  for (auto& p : outline.contours[0]) {
    p = turned(p, turn);
    p = {p.x + centre.x, p.y + centre.y};
  }
  return outline;
}

}  // namespace serpette::detail
