#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <memory>
#include <numbers>
#include <span>
#include <string>
#include <vector>

#include "serpette/core/box.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/core/letterbox.hpp"
#include "serpette/core/seed.hpp"
#include "serpette/core/settings.hpp"
#include "serpette/data/bilinear.hpp"
#include "serpette/data/letterbox.hpp"
#include "serpette/io/image.hpp"

namespace serpette {

/// A box with its class, in pixels of whatever it lies on.
struct LabelledBox {
  int category = 0;
  Box box;
  friend bool operator==(const LabelledBox&, const LabelledBox&) = default;
};

/// A picture with its boxes; none (null) where the picture cannot be read.
struct LabelledImage {
  std::shared_ptr<const Image> image;
  std::span<const LabelledBox> boxes;  ///< Pixels of the picture.
};

/// Random training views: mirrored, turned upside down, scaled, stretched, moved, recoloured, or
/// four pictures in one. Everything is done in the one pass that resizes the picture, and boxes go
/// through the same map. Equal seeds, equal views.
struct Augment {
  double mirror = 0.5;     ///< Probability of exchanging left and right.
  double upside_down = 0;  ///< Probability of exchanging top and bottom: for what has no up.
  double scale = 1.5;      ///< Sizes vary by a factor in [1 / scale, scale]; at least 1.
  double stretch =
      1.15;  ///< Width : height varies by a factor in [1 / stretch, stretch]; at least 1.
  double translate = 0.15;  ///< Moves by at most this fraction of the canvas, each way.
  double hue =
      0.02;  ///< Turns hues by at most this part of the circle; more would make red things green.
  double saturation =
      1.4;  ///< Colours deepen by a factor in [1 / saturation, saturation]; at least 1.
  double exposure =
      1.4;               ///< Brightness varies by a factor in [1 / exposure, exposure]; at least 1.
  double mosaic = 0.3;   ///< Probability of a view of four pictures.
  double visible = 0.3;  ///< A box stays if at least this part of its area is left in view.
  double least_side = 2;  ///< … and its sides are at least this long on the canvas [pixels].

  friend bool operator==(const Augment&, const Augment&) = default;

  /// The view that changes nothing but the letterbox.
  static constexpr Augment none() {
    return {.mirror = 0,
            .scale = 1,
            .stretch = 1,
            .translate = 0,
            .hue = 0,
            .saturation = 1,
            .exposure = 1,
            .mosaic = 0};
  }

  static constexpr auto describe() {
    return settings(
        setting<&Augment::mirror>("Probability of exchanging left and right", from_to(0, 1)),
        setting<&Augment::upside_down>("Probability of exchanging top and bottom", from_to(0, 1)),
        setting<&Augment::scale>("Sizes vary by up to this factor, both ways", from_to(1, 100)),
        setting<&Augment::stretch>("Width : height varies by up to this factor, both ways",
                                   from_to(1, 100)),
        setting<&Augment::translate>("Moves by at most this part of the canvas, each way",
                                     from_to(0, 0.5)),
        setting<&Augment::hue>("Turns hues by at most this part of the circle", from_to(0, 0.5)),
        setting<&Augment::saturation>("Colours deepen by up to this factor, both ways",
                                      from_to(1, 100)),
        setting<&Augment::exposure>("Brightness varies by up to this factor, both ways",
                                    from_to(1, 100)),
        setting<&Augment::mosaic>("Probability of a view of four pictures", from_to(0, 1)),
        setting<&Augment::visible>("A box stays if at least this part of it is left in view",
                                   from_to(0, 1)),
        setting<&Augment::least_side>(
            "... and its sides are at least this long on the canvas [pixels]", at_least(0)));
  }

  /// @throws Error  naming the first setting out of its range.
  void check() const {
    each_setting(*this, [](const std::string& name, const auto& setting, const auto& value) {
      require(setting.bounds.hold(value), "augmentation", "{} should be {}, got {}", name,
              wanted<double>(setting.bounds), value);
    });
  }

  /// Draws one view.
  /// @param canvas  [3, height, width] floats, overwritten; grey where no picture lies.
  /// @param first   the picture the view is of; must not be null.
  /// @param other   gives another picture of the data set at random, for mosaics; may give null.
  /// @return        the boxes in view, pixels of the canvas, clipped to it.
  template <class Other>
    requires std::same_as<std::invoke_result_t<Other&, Generator&>, LabelledImage>
  std::vector<LabelledBox> view(float* canvas, int width, int height, const LabelledImage& first,
                                Other&& other, Generator& rng) const {
    std::fill(canvas, canvas + 3 * std::ptrdiff_t{width} * height, kLetterboxGrey);
    std::vector<LabelledBox> boxes;
    if (rng.uniform() >= mosaic) {
      draw(canvas, width, height, first, whole(first, width, height, rng), rng, boxes);
      return boxes;
    }
    // Four windows that meet in a point; the first picture's place among them is random.
    const int x = static_cast<int>(width * rng.uniform(0.3, 0.7)),
              y = static_cast<int>(height * rng.uniform(0.3, 0.7));
    const auto own = rng.below(4);
    for (std::uint64_t part = 0; part < 4; ++part) {
      const bool right = part % 2 == 1, lower = part / 2 == 1;
      Placement window;
      window.window_left = right ? x : 0;
      window.window_right = right ? width : x;
      window.window_top = lower ? y : 0;
      window.window_bottom = lower ? height : y;
      const LabelledImage picture = part == own ? first : other(rng);
      if (picture.image)
        draw(canvas, width, height, picture, tile(picture, window, width, height, rng), rng, boxes);
    }
    return boxes;
  }

 private:
  // Uniform in the logarithm, so that growing and shrinking are alike.
  static double factor(double most, Generator& rng) {
    return std::exp(std::log(most) * rng.uniform(-1, 1));
  }

  void resize(Placement& p, const LabelledImage& picture, int width, int height, double zoom,
              Generator& rng) const {
    const auto fit = Letterbox::fit(picture.image->width, picture.image->height, width, height);
    const double size = zoom * factor(scale, rng), shape = std::sqrt(factor(stretch, rng));
    p.width = std::max(1, static_cast<int>(std::lround(fit.width * size * shape)));
    p.height = std::max(1, static_cast<int>(std::lround(fit.height * size / shape)));
    p.mirrored = rng.uniform() < mirror;
    // Drawn only where it matters: views without it are those of versions that did not have it.
    p.upside_down = upside_down > 0 && rng.uniform() < upside_down;
  }

  [[nodiscard]] Placement whole(const LabelledImage& picture, int width, int height,
                                Generator& rng) const {
    Placement p;
    p.window_right = width;
    p.window_bottom = height;
    resize(p, picture, width, height, 1, rng);
    const auto place = [&](int canvas, int size) {
      const int centred = canvas >= size ? (canvas - size) / 2 : -((size - canvas) / 2);
      return centred + static_cast<int>(std::lround(canvas * translate * rng.uniform(-1, 1)));
    };
    p.left = place(width, p.width);
    p.top = place(height, p.height);
    return p;
  }

  // Anywhere in its window: within it where it is smaller, covering it where it is larger.
  [[nodiscard]] Placement tile(const LabelledImage& picture, Placement p, int width, int height,
                               Generator& rng) const {
    resize(p, picture, width, height, 0.75, rng);
    const auto place = [&](int low, int high, int size) {
      return low + static_cast<int>(std::lround((high - low - size) * rng.uniform()));
    };
    p.left = place(p.window_left, p.window_right, p.width);
    p.top = place(p.window_top, p.window_bottom, p.height);
    return p;
  }

  void draw(float* canvas, int width, int height, const LabelledImage& picture, const Placement& p,
            Generator& rng, std::vector<LabelledBox>& boxes) const {
    const Image& image = *picture.image;
    BilinearWriter writer(canvas, width, height, image.width, image.height, p, colors(rng));
    for (int y = 0; y < image.height; ++y)
      writer.row(image.at(0, p.upside_down ? image.height - 1 - y : y));
    for (const auto& [category, box] : picture.boxes)
      if (const Box seen = in_view(box, image, p); seen.area() > 0)
        boxes.push_back({category, seen});
  }

  /// Where a box of the picture is seen; empty if too little of it is.
  [[nodiscard]] Box in_view(const Box& box, const Image& image, const Placement& p) const {
    const double sx = double(p.width) / image.width, sy = double(p.height) / image.height;
    const double x = p.mirrored ? image.width - box.x - box.width : box.x,
                 y = p.upside_down ? image.height - box.y - box.height : box.y;
    const double left = p.left + x * sx, top = p.top + y * sy;
    const double l = std::max<double>(left, p.window_left),
                 r = std::min<double>(left + box.width * sx, p.window_right);
    const double t = std::max<double>(top, p.window_top),
                 b = std::min<double>(top + box.height * sy, p.window_bottom);
    const bool seen = r - l >= least_side && b - t >= least_side &&
                      (r - l) * (b - t) >= visible * box.area() * sx * sy;
    return seen ? Box{l, t, r - l, b - t} : Box{};
  }

  // Exposure, saturation and hue as one matrix. In YIQ, Y is Rec. 601's luma, hue is an angle and
  // saturation a radius.
  [[nodiscard]] ColorMap colors(Generator& rng) const {
    const double light = factor(exposure, rng), depth = factor(saturation, rng);
    const double turn = 2 * std::numbers::pi * hue * rng.uniform(-1, 1);
    if (exposure == 1 && saturation == 1 && hue == 0) return {};
    constexpr double kYiq[3][3] = {
        {0.299, 0.587, 0.114}, {0.596, -0.274, -0.322}, {0.211, -0.523, 0.312}};
    constexpr double kRgb[3][2] = {
        {0.956, 0.621}, {-0.272, -0.647}, {-1.106, 1.703}};  // of I and Q
    const double c = depth * std::cos(turn), s = depth * std::sin(turn);
    ColorMap map;
    for (std::size_t row = 0; row < 3; ++row)
      for (std::size_t column = 0; column < 3; ++column) {
        const double i = c * kYiq[1][column] - s * kYiq[2][column],
                     q = s * kYiq[1][column] + c * kYiq[2][column];
        map.matrix[3 * row + column] =
            static_cast<float>(light * (kYiq[0][column] + kRgb[row][0] * i + kRgb[row][1] * q));
      }
    return map;
  }
};

/// What views do otherwise than by default, as options: `--augment-mosaic 0, --augment-hue 0.1`;
/// empty where they do nothing else.
inline std::string changed_settings(const Augment& augment) {
  const auto options = [](const Augment& of) {
    std::vector<std::string> all;
    each_setting(
        of,
        [&](const std::string& option, const auto&, const auto& value) {
          all.push_back(fmt::format("--{} {}", option, typed_text(value)));
        },
        "augment");
    return all;
  };
  auto changed = options(augment);
  std::erase_if(changed, [defaults = options({})](const std::string& option) {
    return std::ranges::find(defaults, option) != defaults.end();
  });
  return fmt::format("{}", fmt::join(changed, ", "));
}

}  // namespace serpette
