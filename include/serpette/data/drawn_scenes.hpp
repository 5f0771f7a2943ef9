#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serpette/core/coco.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/core/seed.hpp"
#include "serpette/data/raster.hpp"
#include "serpette/data/scene_shapes.hpp"
#include "serpette/io/image.hpp"

namespace serpette {

/// Scenes of coloured shapes before textured backgrounds: a data set that needs no download, to try
/// a pipeline on and to test with. Eight classes: two pairs are told apart by colour alone (their
/// luma has one distribution, so that they are one and the same in greyscale), four by shape alone.
/// Objects overlap and leave the picture; there are shadows, clutter behind and before, uneven
/// light and sensor noise.
///
/// Integer arithmetic throughout: equal settings and seeds give equal pixels everywhere.
struct DrawnScenes {
  int width = 0,
      height =
          0;  ///< Of every picture [pixels]; 0: 112 to 160 on the longer side, of various shapes.
  int most_objects = 6;  ///< Each picture has 1 to this many.
  int least_size = 5,
      most_size = 60;  ///< Longer side of an object, percent of the picture's shorter side.
  int noise = 8;       ///< Largest standard deviation of a picture's noise, of 255.
  int clutter = 8;     ///< Most lines, bars, dots and stains behind the objects.

  static constexpr std::array<std::string_view, 8> kNames{
      "red ball", "green ball", "blue box", "brown box", "star", "ring", "triangle", "cross"};

  struct Scene {
    Image image;
    std::vector<CocoAnnotation>
        objects;  ///< Boxes of the whole objects, clipped to the picture; area as visible.
  };

  /// The categories of the data set, ids from 1.
  static std::vector<CocoCategory> categories() {
    std::vector<CocoCategory> result;
    for (const auto name : kNames) result.push_back({std::ssize(result) + 1, std::string(name)});
    return result;
  }

  /// @throws Error  naming the first setting out of its range.
  void check() const {
    require((width == 0 && height == 0) ||
                (std::min(width, height) >= 32 && std::max(width, height) <= 4096),
            "drawn scenes", "width and height should be in [32, 4096] or both 0, got {} x {}",
            width, height);
    require(most_objects >= 1 && most_objects <= 100, "drawn scenes",
            "most_objects should be in [1, 100], got {}", most_objects);
    require(least_size >= 2 && least_size <= most_size && most_size <= 90, "drawn scenes",
            "sizes should be 2 <= least_size <= most_size <= 90, got {} and {}", least_size,
            most_size);
    require(noise >= 0 && noise <= 64, "drawn scenes", "noise should be in [0, 64], got {}", noise);
    require(clutter >= 0 && clutter <= 100, "drawn scenes", "clutter should be in [0, 100], got {}",
            clutter);
  }

  /// Draws one scene.
  [[nodiscard]] Scene draw(Seed seed) const;
};

namespace detail {

/// One picture being painted.
class ScenePainter {
 public:
  ScenePainter(const DrawnScenes& settings, Seed seed)
      : settings_(settings), rng_(seed), seed_(seed) {}

  DrawnScenes::Scene paint() {
    choose_size();
    paint_background();
    for (auto n = rng_.below(static_cast<std::uint64_t>(settings_.clutter) + 1); n > 0; --n)
      paint_clutter(true);
    const auto wanted = 1 + rng_.below(static_cast<std::uint64_t>(settings_.most_objects));
    for (std::uint64_t i = 0; i < wanted; ++i) paint_object();
    if (settings_.clutter > 0 && rng_.below(2) == 0)
      for (auto n = 1 + rng_.below(2); n > 0; --n) paint_clutter(false);
    light_and_noise();
    for (std::size_t i = 0; i < objects_.size(); ++i)
      objects_[i].area =
          static_cast<double>(std::ranges::count(owner_, static_cast<std::uint8_t>(i + 1)));
    // An object that later ones hide all but a sliver of is none.
    std::erase_if(objects_,
                  [](const CocoAnnotation& o) { return 20 * o.area < o.box.area() || o.area < 4; });
    return {std::move(image_), std::move(objects_)};
  }

 private:
  int between(int low, int high) {
    return low + static_cast<int>(rng_.below(static_cast<std::uint64_t>(high - low) + 1));
  }

  void choose_size() {
    int width = settings_.width, height = settings_.height;
    if (width == 0) {
      constexpr int kShapes[5][2] = {{4, 4}, {4, 3}, {3, 4}, {6, 5}, {5, 6}};
      const int side = between(112, 160);
      const auto& shape = kShapes[rng_.below(5)];
      const int longer = std::max(shape[0], shape[1]);
      width = side * shape[0] / longer;
      height = side * shape[1] / longer;
    }
    image_ = Image(width, height);
    owner_.assign(static_cast<std::size_t>(width) * static_cast<std::size_t>(height), 0);
    side_ = std::min(width, height);
  }

  Color muted(int low, int high) {
    const int level = between(low, high);
    Color c{};
    for (auto& v : c) v = level + between(-35, 35);
    return c;
  }

  Color vivid() {
    Color c{};
    for (auto& v : c) v = between(20, 235);
    return c;
  }

  void paint_background() {
    const Color a = muted(50, 205);
    Color b = muted(50, 205);
    const int level = luma(a) + between(-60, 60);  // not too far from a: texture, not objects
    for (auto& v : b) v = (v + level) / 2;
    const int kind = between(0, 4);
    const ValueNoise coarse(std::max(2, side_ * between(20, 45) / 100), image_.width, image_.height,
                            rng_);
    const ValueNoise fine(std::max(2, side_ * between(4, 10) / 100), image_.width, image_.height,
                          rng_);
    const auto turn = static_cast<std::int64_t>(rng_.below(256));
    const int period = std::max(4, side_ * between(8, 22) / 100);
    for (int y = 0; y < image_.height; ++y)
      for (int x = 0; x < image_.width; ++x) {
        const Point p = turned({x * kSubpixels, y * kSubpixels}, turn);
        const auto phase = [&](std::int64_t along) {
          const auto length = period * kSubpixels, at = (along % length + length) % length;
          return std::abs(static_cast<int>(512 * at / length) - 256);  // triangle wave, 0…256
        };
        int mix = coarse.at(x, y);
        if (kind == 1) mix = (mix + fine.at(x, y)) / 2;
        if (kind == 2) mix = (mix + 3 * std::clamp(4 * (phase(p.x) - 96), 0, 255)) / 4;
        if (kind == 3) mix = (mix + 2 * ((phase(p.x) > 128) != (phase(p.y) > 128) ? 255 : 0)) / 3;
        if (kind == 4) mix = fine.at(x, y);
        auto* pixel = image_.at(x, y);
        for (std::size_t c = 0; c < 3; ++c) pixel[c] = clamped(a[c] + (b[c] - a[c]) * mix / 256);
      }
  }

  static std::uint8_t clamped(int v) { return static_cast<std::uint8_t>(std::clamp(v, 0, 255)); }

  // `color(x, y)` over the outline, `opacity` of 256.
  template <class Fill>
  void blend(const Outline& outline, int opacity, Fill&& color) {
    rasterize(outline, image_.width, image_.height, [&](int x, int y, int coverage) {
      auto* pixel = image_.at(x, y);
      const Color c = color(x, y);
      const int part = coverage * opacity / 256;
      for (std::size_t i = 0; i < 3; ++i)
        pixel[i] = clamped(pixel[i] + (c[i] - pixel[i]) * part / 256);
    });
  }

  Point anywhere() {
    const auto x = static_cast<std::int64_t>(
        rng_.below(static_cast<std::uint64_t>(image_.width * kSubpixels)));
    const auto y = static_cast<std::int64_t>(
        rng_.below(static_cast<std::uint64_t>(image_.height * kSubpixels)));
    return {x, y};
  }

  // Things that are no objects: lines, bars, dots, stains. Those before the objects are thin.
  void paint_clutter(bool behind) {
    const std::int64_t unit = side_ * kSubpixels / 128;
    const Point centre = anywhere();
    const auto turn = static_cast<std::int64_t>(rng_.below(256));
    const Color color = vivid();
    const auto flat = [&](int, int) { return color; };
    switch (behind ? between(0, 3) : between(0, 1)) {
      case 0: {
        const std::int64_t length = unit * between(15, 70),
                           thickness = unit * between(30, 80) / 100;
        blend(bar(centre, length, thickness, turn), between(120, 230), flat);
        break;
      }
      case 1: {
        Outline dots;
        for (int n = between(2, 7); n > 0; --n) {
          const std::int64_t dx = unit * between(-20, 20), dy = unit * between(-20, 20),
                             r = unit * between(60, 160) / 100;
          Contour dot;
          for (int k = 0; k < 256; k += 16) {
            const Point p = polar(r, k);
            dot.push_back({centre.x + dx + p.x, centre.y + dy + p.y});
          }
          dots.contours.push_back(std::move(dot));
        }
        blend(dots, 200, flat);
        break;
      }
      case 2: {
        const std::int64_t length = unit * between(18, 50), thickness = unit * between(2, 4);
        blend(bar(centre, length, thickness, turn), between(120, 230), flat);
        break;
      }
      default: {
        Contour stain;
        const std::int64_t size = unit * between(8, 30);
        for (int k = 0; k < 256; k += 16) {
          const Point p = polar(size * between(78, 122) / 100, k);
          stain.push_back({centre.x + p.x, centre.y + p.y});
        }
        blend({{std::move(stain)}}, between(50, 110), flat);
      }
    }
  }

  // Mean luma of what lies under a box now.
  [[nodiscard]] int luma_under(const Outline::Extent& e) const {
    int sum = 0;
    for (int i = 0; i < 9; ++i) {
      const auto x = (e.left + (e.right - e.left) * (1 + 2 * (i % 3)) / 6) / kSubpixels;
      const auto y = (e.top + (e.bottom - e.top) * (1 + 2 * (i / 3)) / 6) / kSubpixels;
      const auto* p =
          image_.at(static_cast<int>(std::clamp<std::int64_t>(x, 0, image_.width - 1)),
                    static_cast<int>(std::clamp<std::int64_t>(y, 0, image_.height - 1)));
      sum += luma({p[0], p[1], p[2]});
    }
    return sum / 9;
  }

  // The classes with a colour of their own, and for the others any colour. The luma is drawn first,
  // in the same way for all, and keeps off the background's.
  Color object_color(int category, int behind) {
    constexpr Color kOwn[4] = {{100, 30, 28}, {25, 75, 30}, {35, 50, 100}, {95, 60, 20}};
    Color base =
        category < 4 ? kOwn[category] : Color{between(25, 100), between(25, 100), between(25, 100)};
    for (auto& v : base) v = std::max(1, v + between(-6, 6));
    int wanted = between(45, 122);
    for (int tries = 0; tries < 8 && std::abs(wanted - behind) < 28; ++tries)
      wanted = between(45, 122);
    if (category >= 4 && between(0, 1) == 1) wanted = std::min(255, wanted + 90);
    return with_luma(base, wanted);
  }

  void paint_object() {
    const int category = between(0, static_cast<int>(DrawnScenes::kNames.size()) - 1);
    const Outline unit = shape(category, rng_);
    const auto e = unit.extent();
    const std::int64_t u = between(0, 1000);  // medium sizes are commonest, large ones rarest
    const auto span = settings_.most_size - settings_.least_size;
    const std::int64_t size = kSubpixels * side_ *
                              (settings_.least_size * 2'000'000LL + span * u * (1000 + u)) /
                              200'000'000;
    const std::int64_t extent = std::max(e.right - e.left, e.bottom - e.top);
    for (int tries = 0; tries < 12; ++tries) {
      const Outline outline = unit.moved(size, extent, anywhere());
      const auto box = outline.extent();
      if (!fits(box)) continue;
      draw_object(category, outline, box);
      return;
    }
  }

  // At least three quarters of each side in the picture, and no large overlap with an earlier
  // object.
  [[nodiscard]] bool fits(const Outline::Extent& e) const {
    const auto inside = [](std::int64_t low, std::int64_t high, std::int64_t end) {
      return std::min(high, end) - std::max<std::int64_t>(low, 0) >= (high - low) * 3 / 4;
    };
    if (!inside(e.left, e.right, image_.width * kSubpixels) ||
        !inside(e.top, e.bottom, image_.height * kSubpixels))
      return false;
    return std::ranges::none_of(extents_, [&](const Outline::Extent& o) {
      const auto w = std::min(e.right, o.right) - std::max(e.left, o.left);
      const auto h = std::min(e.bottom, o.bottom) - std::max(e.top, o.top);
      const auto smaller = std::min((e.right - e.left) * (e.bottom - e.top),
                                    (o.right - o.left) * (o.bottom - o.top));
      return w > 0 && h > 0 && w * h * 3 > smaller;
    });
  }

  void draw_object(int category, const Outline& outline, const Outline::Extent& e) {
    const Color color = object_color(category, luma_under(e));
    const std::int64_t size = std::max(e.right - e.left, e.bottom - e.top);
    const Point centre{(e.left + e.right) / 2, (e.top + e.bottom) / 2};
    if (between(0, 2) != 0) {
      const auto direction = between(20, 108);  // on its own: arguments have no order
      const Point shift = polar(size * between(4, 10) / 100, direction);
      blend(outline.moved(1, 1, shift), between(60, 130), [](int, int) { return Color{0, 0, 0}; });
    }
    // Light falls off across the object; some have stripes of their own. Neither touches the hue.
    const auto turn = static_cast<std::int64_t>(rng_.below(256));
    const int slope = between(0, 50);
    const bool striped = between(0, 3) == 0;
    const auto stripe = size / between(3, 6);
    const auto fill = [&](int x, int y) {
      const Point p = turned({x * kSubpixels - centre.x, y * kSubpixels - centre.y}, turn);
      int light = 256 - static_cast<int>(slope * p.x / std::max<std::int64_t>(1, size));
      if (striped && ((p.y + 64 * stripe) / std::max<std::int64_t>(1, stripe)) % 2 == 0)
        light -= 40;
      return Color{color[0] * light / 256, color[1] * light / 256, color[2] * light / 256};
    };
    blend(outline, 256, fill);
    if (between(0, 1) == 1 &&
        category != 5) {  // a darker rim: the whole in the darker tone, the middle again in its own
      blend(outline, 100, [](int, int) { return Color{0, 0, 0}; });
      const auto middle = outline.moved(1, 1, {-centre.x, -centre.y}).moved(86, 100, centre);
      blend(middle, 256, fill);
    }
    const auto id = static_cast<std::uint8_t>(objects_.size() + 1);
    rasterize(outline, image_.width, image_.height, [&](int x, int y, int coverage) {
      if (coverage >= 128)
        owner_[static_cast<std::size_t>(y) * static_cast<std::size_t>(image_.width) +
               static_cast<std::size_t>(x)] = id;
    });
    const auto pixels = [](std::int64_t v, int end) {
      return static_cast<double>(std::clamp<std::int64_t>(v, 0, end * kSubpixels)) / kSubpixels;
    };
    const double left = pixels(e.left, image_.width), right = pixels(e.right, image_.width);
    const double top = pixels(e.top, image_.height), bottom = pixels(e.bottom, image_.height);
    objects_.push_back({0, 0, category, {left, top, right - left, bottom - top}, 0, false});
    extents_.push_back(e);
  }

  // Uneven light, alike in all channels, and noise: half of it common to the channels, as of
  // brightness.
  void light_and_noise() {
    const int across = between(-70, 70), down = between(-70, 70), level = between(215, 275),
              sigma = between(0, settings_.noise);
    Seed noise = seed_.derive("noise");
    std::uint64_t n = 0;
    for (int y = 0; y < image_.height; ++y)
      for (int x = 0; x < image_.width; ++x) {
        const int light = level + across * (2 * x - image_.width) / (2 * image_.width) +
                          down * (2 * y - image_.height) / (2 * image_.height);
        std::uint64_t bits = noise.derive(n++).value();
        const auto byte = [&] {
          const int value = static_cast<int>(bits & 255);
          bits >>= 8;
          return 2 * value - 255;
        };
        // A byte's standard deviation is 148 in these units: four bytes in sum 296.
        const int b0 = byte(), b1 = byte(), b2 = byte(), b3 = byte();
        const int common = (b0 + b1 + b2 + b3) * sigma;
        auto* pixel = image_.at(x, y);
        for (std::size_t c = 0; c < 3; ++c) {
          const int own = byte() * sigma;
          pixel[c] = clamped(pixel[c] * light / 256 + common / 420 + own / 210);
        }
      }
  }

  const DrawnScenes& settings_;
  Generator rng_;
  Seed seed_;
  Image image_;
  int side_ = 0;                     // shorter side [pixels]
  std::vector<std::uint8_t> owner_;  // per pixel: 1 + index of the object seen there, 0 for none
  std::vector<CocoAnnotation> objects_;
  std::vector<Outline::Extent> extents_;
};

}  // namespace detail

inline DrawnScenes::Scene DrawnScenes::draw(Seed seed) const {
  check();
  return detail::ScenePainter(*this, seed).paint();
}

}  // namespace serpette
