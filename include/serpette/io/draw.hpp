#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "serpette/core/box.hpp"
#include "serpette/core/coco.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/io/font.hpp"
#include "serpette/io/image.hpp"

namespace serpette {

using Rgb8 = std::array<std::uint8_t, 3>;

/// Fills the half-open rectangle [left, right) × [top, bottom), as far as it lies in the picture.
inline void fill_rectangle(Image& image, int left, int top, int right, int bottom, Rgb8 color) {
  for (int y = std::max(top, 0); y < std::min(bottom, image.height); ++y)
    for (int x = std::max(left, 0); x < std::min(right, image.width); ++x)
      std::ranges::copy(color, image.at(x, y));
}

/// A line of text with its top left at (x, y), as far as it lies in the picture.
inline void draw_text(Image& image, int x, int y, std::string_view text, Rgb8 color,
                      int scale = 1) {
  each_dot(text, [&](int u, int v) {
    fill_rectangle(image, x + scale * u, y + scale * v, x + scale * (u + 1), y + scale * (v + 1),
                   color);
  });
}

/// The picture at another size, every new pixel the mean of what it covers.
/// @param width, height  positive.
inline Image resized(const Image& image, int width, int height) {
  require(width > 0 && height > 0 && image.width > 0 && image.height > 0, "picture",
          "should have a positive size before and after resizing, got {} x {} and {} x {}",
          image.width, image.height, width, height);
  // Along an axis, sample i covers [i·from, (i + 1)·from) where each old pixel is `to` long.
  const auto each_part = [](int i, int from, int to, auto&& part) {
    const std::int64_t begin = std::int64_t{i} * from, end = begin + from;
    for (auto p = begin / to; p * to < end; ++p)
      part(static_cast<int>(p), std::min(end, (p + 1) * to) - std::max(begin, p * to));
  };
  Image result(width, height);
  const std::int64_t whole = std::int64_t{image.width} * image.height;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      std::array<std::int64_t, 3> sum{};
      each_part(y, image.height, height, [&](int v, std::int64_t b) {
        each_part(x, image.width, width, [&](int u, std::int64_t a) {
          for (std::size_t c = 0; c < 3; ++c) sum[c] += a * b * image.at(u, v)[c];
        });
      });
      for (std::size_t c = 0; c < 3; ++c)
        result.at(x, y)[c] = static_cast<std::uint8_t>((sum[c] + whole / 2) / whole);
    }
  return result;
}

/// A colour for each class, neighbours well apart.
inline Rgb8 class_color(int category) {
  const double hue =
      std::fmod(0.02 + category * 0.6180339887, 1.0) * 6;  // golden section of the circle
  Rgb8 color{};
  for (int c = 0; c < 3; ++c) {
    const double away =
        std::abs(std::fmod(hue + 6 - 2 * c, 6.0) - 3);  // 3 at the channel's own hue's opposite … 0
    color[static_cast<std::size_t>(c)] = static_cast<std::uint8_t>(
        std::lround(255 * (0.25 + 0.75 * std::clamp(away - 1, 0.0, 1.0))));
  }
  return color;
}

namespace detail {

/// Pixels [left, right) × [top, bottom).
struct Pixels {
  int left, top, right, bottom;

  [[nodiscard]] bool meets(const Pixels& other) const {
    return left < other.right && other.left < right && top < other.bottom && other.top < bottom;
  }
};

inline Pixels pixels_of(const Box& box) {
  const auto whole = [](double x) { return static_cast<int>(std::lround(x)); };
  return {whole(box.x), whole(box.y), whole(box.x + box.width), whole(box.y + box.height)};
}

inline void draw_frame(Image& image, const Pixels& p, Rgb8 color) {
  const int thick = std::max(2, std::max(image.width, image.height) / 320);
  fill_rectangle(image, p.left, p.top, p.right, p.top + thick, color);
  fill_rectangle(image, p.left, p.bottom - thick, p.right, p.bottom, color);
  fill_rectangle(image, p.left, p.top, p.left + thick, p.bottom, color);
  fill_rectangle(image, p.right - thick, p.top, p.right, p.bottom, color);
}

/// Writes a label on its colour where it hides none of those before it: above its frame, within its
/// upper or lower edge, or below. Where there is no room it is left out.
inline void draw_label(Image& image, const Pixels& frame, std::string_view label, Rgb8 color,
                       std::vector<Pixels>& taken) {
  const int scale = std::max(1, std::min(image.width, image.height) / 500);
  const int width = scale * (text_width(label) + 4), height = scale * (kGlyphHeight + 1);
  const int x = std::clamp(frame.left, 0, std::max(0, image.width - width));
  for (const int y :
       {frame.top - height, std::max(frame.top, 0), frame.bottom - height, frame.bottom}) {
    const Pixels place{x, y, x + width, y + height};
    const bool is_free =
        std::ranges::none_of(taken, [&](const Pixels& p) { return p.meets(place); });
    if (y < 0 || (y + height > image.height && y > 0) || !is_free) continue;
    fill_rectangle(image, place.left, place.top, place.right, place.bottom, color);
    const int luma = (299 * color[0] + 587 * color[1] + 114 * color[2]) / 1000;
    const Rgb8 ink = luma > 120 ? Rgb8{0, 0, 0} : Rgb8{255, 255, 255};
    draw_text(image, x + 2 * scale, y + scale, label, ink, scale);
    taken.push_back(place);
    return;
  }
}

}  // namespace detail

/// A frame around a box [pixels of the picture], with a label on its colour above it, or within
/// where there is no room.
inline void draw_box(Image& image, const Box& box, std::string_view label, Rgb8 color) {
  const auto frame = detail::pixels_of(box);
  detail::draw_frame(image, frame, color);
  std::vector<detail::Pixels> none;
  if (!label.empty()) detail::draw_label(image, frame, label, color, none);
}

/// Detections with class and confidence: all frames, the surest on top, and over them the labels,
/// of which none hides another. A small picture is enlarged first, so that labels read.
/// @param found       boxes in pixels of the picture, all of this picture.
/// @param categories  class names by index; an index beyond them is shown as its number.
inline void draw_detections(Image& image, std::span<const Detection> found,
                            const std::vector<CocoCategory>& categories) {
  constexpr int kReadable = 300;
  const int zoom = (kReadable + std::max(image.width, image.height) - 1) /
                   std::max({image.width, image.height, 1});
  if (zoom > 1) image = resized(image, zoom * image.width, zoom * image.height);
  std::vector<Detection> ordered(found.begin(), found.end());
  std::ranges::stable_sort(ordered, {}, &Detection::score);
  const auto frame = [&](const Detection& d) {
    return detail::pixels_of(
        {zoom * d.box.x, zoom * d.box.y, zoom * d.box.width, zoom * d.box.height});
  };
  for (const auto& d : ordered) detail::draw_frame(image, frame(d), class_color(d.category));
  std::vector<detail::Pixels> taken;
  for (const auto& d : ordered | std::views::reverse) {
    const auto index = static_cast<std::size_t>(d.category);
    const auto name = d.category >= 0 && index < categories.size()
                          ? categories[index].name
                          : fmt::format("class {}", d.category);
    detail::draw_label(image, frame(d), fmt::format("{} {:.2f}", name, d.score),
                       class_color(d.category), taken);
  }
}

/// Pictures side by side: `rows[i]` under the label of row i, a column for each of `columns`. An
/// empty picture, or a row that ends early, leaves its place grey.
/// @param side    pictures are scaled to fit side × side [pixels].
/// @throws Error  if rows and labels, or rows and columns, do not go together.
inline Image sample_grid(const std::vector<std::vector<Image>>& rows,
                         const std::vector<std::string>& labels,
                         const std::vector<std::string>& columns, int side = 240) {
  require(rows.size() == labels.size(), "grid", "should have one label a row: {}, got {}",
          rows.size(), labels.size());
  constexpr Rgb8 kInk{30, 30, 30}, kEmpty{225, 225, 225};
  constexpr int kGap = 8, kScale = 2, kLine = kScale * kGlyphHeight + kGap;
  std::vector<int> heights;  // of each row's tallest picture as scaled
  const auto fit = [side](const Image& p) {
    const double scale = static_cast<double>(side) / std::max(p.width, p.height);
    const auto length = [&](int n) {
      return std::max(1, static_cast<int>(std::lround(n * scale)));
    };
    return ImageSize{length(p.width), length(p.height)};
  };
  int height = kLine + kGap;
  for (const auto& row : rows) {
    require(row.size() <= columns.size(), "grid", "should have at most {} pictures a row, got {}",
            columns.size(), row.size());
    int tallest = 0;
    for (const auto& picture : row)
      if (!picture.rgb.empty()) tallest = std::max(tallest, fit(picture).height);
    heights.push_back(tallest > 0 ? tallest : side);
    height += kLine + heights.back() + kGap;
  }
  int width = kGap + static_cast<int>(columns.size()) * (side + kGap);
  for (const auto& label : labels) width = std::max(width, kScale * text_width(label) + 2 * kGap);
  Image grid(width, height, 255);
  const auto column_left = [&](std::size_t i) {
    return kGap + static_cast<int>(i) * (side + kGap);
  };
  for (std::size_t i = 0; i < columns.size(); ++i)
    draw_text(grid, column_left(i) + (side - kScale * text_width(columns[i])) / 2, kGap, columns[i],
              kInk, kScale);
  int top = kGap + kLine;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    draw_text(grid, kGap, top, labels[r], kInk, kScale);
    top += kLine;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const int left = column_left(i);
      if (i >= rows[r].size() || rows[r][i].rgb.empty()) {
        fill_rectangle(grid, left, top, left + side, top + heights[r], kEmpty);
        continue;
      }
      const auto size = fit(rows[r][i]);
      const Image tile = resized(rows[r][i], size.width, size.height);
      const int x = left + (side - tile.width) / 2;
      for (int y = 0; y < tile.height; ++y)
        std::copy_n(tile.at(0, y), 3 * static_cast<std::size_t>(tile.width), grid.at(x, top + y));
    }
    top += heights[r] + kGap;
  }
  return grid;
}

}  // namespace serpette
