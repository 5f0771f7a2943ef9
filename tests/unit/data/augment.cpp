#include "serpette/data/augment.hpp"

#include "support/catch.hpp"

#include "serpette/io/draw.hpp"

using namespace serpette;

namespace {

constexpr int kWidth = 128, kHeight = 96;
using Canvas = std::vector<float>;

// A dark picture with one bright rectangle of one colour, and its box.
struct Marked {
  std::shared_ptr<const Image> image;
  std::vector<LabelledBox> boxes;

  Marked(int width, int height, int channel, Box box) {
    auto picture = std::make_shared<Image>(width, height);
    Rgb8 color{};
    color[static_cast<std::size_t>(channel)] = 255;
    fill_rectangle(*picture, int(box.x), int(box.y), int(box.x + box.width),
                   int(box.y + box.height), color);
    image = picture;
    boxes = {{channel, box}};
  }
  operator LabelledImage() const { return {image, boxes}; }
};

// Smallest box around what is brighter than half in a channel and dark in the others; margins are
// grey in all three.
Box bright(const Canvas& canvas, int channel) {
  int left = kWidth, top = kHeight, right = 0, bottom = 0;
  const auto at = [&](int c, int x, int y) {
    return canvas[static_cast<std::size_t>((c * kHeight + y) * kWidth + x)];
  };
  for (int y = 0; y < kHeight; ++y)
    for (int x = 0; x < kWidth; ++x)
      if (at(channel, x, y) > 0.5F && at((channel + 1) % 3, x, y) < 0.4F &&
          at((channel + 2) % 3, x, y) < 0.4F) {
        left = std::min(left, x);
        right = std::max(right, x + 1);
        top = std::min(top, y);
        bottom = std::max(bottom, y + 1);
      }
  return {double(left), double(top), double(right - left), double(bottom - top)};
}

void check_near(const Box& a, const Box& b) {
  INFO("[" << a.x << ", " << a.y << ", " << a.width << ", " << a.height << "] and [" << b.x << ", "
           << b.y << ", " << b.width << ", " << b.height << "]");
  CHECK(std::abs(a.x - b.x) <= 1);
  CHECK(std::abs(a.y - b.y) <= 1);
  CHECK(std::abs(a.x + a.width - b.x - b.width) <= 1);
  CHECK(std::abs(a.y + a.height - b.y - b.height) <= 1);
}

Augment geometric() {
  return {.upside_down = 0.5,
          .scale = 1.8,
          .stretch = 1.3,
          .translate = 0.3,
          .hue = 0,
          .saturation = 1,
          .exposure = 1,
          .mosaic = 0,
          .visible = 0.05};
}

LabelledImage nothing(Generator&) { return {}; }

}  // namespace

TEST_CASE("without any change a view is the letterbox", "[data][augment]") {
  const Marked marked(90, 70, 0, {10, 20, 30, 40});
  Canvas canvas(3 * kWidth * kHeight), expected(canvas.size());
  Generator rng{Seed(1)};
  const auto boxes = Augment::none().view(canvas.data(), kWidth, kHeight, marked, nothing, rng);
  const auto geometry = letterbox_into(expected.data(), *marked.image, kWidth, kHeight);
  CHECK(canvas == expected);
  REQUIRE(boxes.size() == 1);
  check_near(boxes[0].box, geometry.to_canvas(marked.boxes[0].box));
}

TEST_CASE("boxes go where their pixels go", "[data][augment][property]") {
  int seen = 0, mirrored = 0, upside_down = 0;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    Generator rng{Seed(seed)};
    const int width = 40 + static_cast<int>(rng.below(200)),
              height = 40 + static_cast<int>(rng.below(200));
    const Box box{double(2 + rng.below(10)), double(2 + rng.below(20)), double(width / 3),
                  double(height / 2)};
    const Marked marked(width, height, static_cast<int>(seed % 3), box);
    Canvas canvas(3 * kWidth * kHeight);
    const auto boxes = geometric().view(canvas.data(), kWidth, kHeight, marked, nothing, rng);
    for (const auto& [category, b] : boxes) {
      CHECK(category == static_cast<int>(seed % 3));
      CHECK((b.x >= 0 && b.y >= 0 && b.x + b.width <= kWidth && b.y + b.height <= kHeight));
      check_near(b, bright(canvas, category));
      ++seen;
      mirrored += b.x + b.width / 2 > kWidth / 2.0;
      upside_down += b.y + b.height / 2 > kHeight / 2.0;
    }
  }
  CHECK(seen > 350);
  CHECK(mirrored > 60);
  CHECK(upside_down > 60);
}

TEST_CASE("upside down is the picture with its rows in reverse", "[data][augment]") {
  const Marked marked(90, 70, 0, {10, 20, 30, 40});
  const auto reversed = std::make_shared<Image>(*marked.image);
  const auto row = std::ptrdiff_t{3} * reversed->width;
  for (std::ptrdiff_t y = 0; y < reversed->height; ++y)
    std::copy_n(marked.image->rgb.begin() + y * row, row,
                reversed->rgb.begin() + (reversed->height - 1 - y) * row);
  Canvas canvas(3 * kWidth * kHeight), expected(canvas.size());
  auto turned = Augment::none();
  turned.upside_down = 1;
  Generator rng{Seed(1)};
  const auto boxes = turned.view(canvas.data(), kWidth, kHeight, marked, nothing, rng);
  const auto geometry = letterbox_into(expected.data(), *reversed, kWidth, kHeight);
  CHECK(canvas == expected);
  REQUIRE(boxes.size() == 1);
  check_near(boxes[0].box, geometry.to_canvas({10, 70 - 20 - 40, 30, 40}));
}

TEST_CASE("what is never drawn leaves the views as they were", "[data][augment]") {
  const Marked marked(90, 70, 0, {10, 20, 30, 40});
  const auto view = [&](const Augment& augment) {
    Canvas canvas(3 * kWidth * kHeight);
    Generator rng{Seed(3)};
    augment.view(canvas.data(), kWidth, kHeight, marked, nothing, rng);
    return std::pair(canvas, rng());
  };
  CHECK((view({.mosaic = 0}) == view({.upside_down = 0, .mosaic = 0})));
  CHECK(view({.mosaic = 0}).second != view({.upside_down = 1e-9, .mosaic = 0}).second);
}

TEST_CASE("boxes of a mosaic go where their pixels go", "[data][augment][property]") {
  auto augment = geometric();
  augment.mosaic = 1;
  int seen = 0, most = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Generator rng{Seed(seed)};
    const std::array<Marked, 3> others{Marked(100, 100, 1, {30, 20, 50, 60}),
                                       Marked(64, 120, 2, {10, 30, 40, 40}),
                                       Marked(64, 120, 2, {10, 30, 40, 40})};
    const Marked first(150, 90, 0, {40, 30, 60, 40});
    std::size_t next = 0;
    // The third of the others is hidden, so that each colour is there once.
    const auto other = [&](Generator&) {
      return next < 2 ? LabelledImage(others[next++]) : LabelledImage{};
    };
    Canvas canvas(3 * kWidth * kHeight);
    const auto boxes = augment.view(canvas.data(), kWidth, kHeight, first, other, rng);
    for (const auto& [category, b] : boxes) check_near(b, bright(canvas, category));
    seen += static_cast<int>(boxes.size());
    most = std::max(most, static_cast<int>(boxes.size()));
  }
  CHECK(most == 3);
  CHECK(seen > 300);
}

TEST_CASE("boxes of which too little is left are dropped", "[data][augment]") {
  auto augment = geometric();
  augment.scale = 1;
  augment.stretch = 1;
  augment.translate = 0.5;
  int kept = 0, dropped = 0;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    augment.visible = 0.6;
    const Marked marked(kWidth, kHeight, 0, {0, 0, 40, 40});
    Canvas canvas(3 * kWidth * kHeight);
    Generator rng{Seed(seed)};
    const auto boxes = augment.view(canvas.data(), kWidth, kHeight, marked, nothing, rng);
    const Box there = bright(canvas, 0);
    const double part = there.width > 0 ? there.area() / 1600 : 0;
    if (boxes.empty()) {
      ++dropped;
      CHECK(part < 0.64);
    } else {
      ++kept;
      CHECK(part > 0.56);
    }
  }
  CHECK(kept > 50);
  CHECK(dropped > 50);
}

TEST_CASE("colours change within bounds; grey keeps its hue, margins stay", "[data][augment]") {
  Augment augment = Augment::none();
  augment.hue = 0.5;
  augment.saturation = 3;
  const auto grey =
      std::make_shared<const Image>(kWidth, kWidth, std::uint8_t{153});  // margins left and right
  bool changed = false;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Canvas canvas(3 * kWidth * kHeight);
    Generator rng{Seed(seed)};
    augment.exposure = 1;
    augment.view(canvas.data(), kWidth, kHeight, {grey, {}}, nothing, rng);
    CHECK(canvas[0] == 0.5F);
    for (const int c : {0, 1, 2})
      CHECK(canvas[static_cast<std::size_t>((c * kHeight + 50) * kWidth + 64)] ==
            Catch::Approx(0.6).margin(2e-3));
    augment.exposure = 2;
    augment.view(canvas.data(), kWidth, kHeight, {grey, {}}, nothing, rng);
    CHECK(canvas[0] == 0.5F);
    const float now = canvas[static_cast<std::size_t>(50 * kWidth + 64)];
    CHECK((now >= 0.29F && now <= 1));
    changed = changed || std::abs(now - 0.6F) > 0.1F;
  }
  CHECK(changed);

  // Luma of a colour, with hue turned and saturation changed, is what it was (as long as nothing is
  // clamped).
  const auto color = std::make_shared<Image>(kWidth, kHeight);
  for (int y = 0; y < kHeight; ++y)
    for (int x = 0; x < kWidth; ++x) std::ranges::copy(Rgb8{120, 100, 110}, color->at(x, y));
  augment.exposure = 1;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Canvas canvas(3 * kWidth * kHeight);
    Generator rng{Seed(seed)};
    augment.view(canvas.data(), kWidth, kHeight, {color, {}}, nothing, rng);
    const auto at = [&](int c) {
      return canvas[static_cast<std::size_t>((c * kHeight + 40) * kWidth + 40)];
    };
    CHECK(0.299 * at(0) + 0.587 * at(1) + 0.114 * at(2) ==
          Catch::Approx((0.299 * 120 + 0.587 * 100 + 0.114 * 110) / 255).margin(2e-3));
  }
}

TEST_CASE("equal seeds give equal views, other seeds others", "[data][augment]") {
  const Marked marked(90, 70, 0, {10, 20, 30, 40});
  const auto view = [&](std::uint64_t seed) {
    Canvas canvas(3 * kWidth * kHeight);
    Generator rng(Seed{seed});
    const auto boxes = Augment{.mosaic = 0.5}.view(
        canvas.data(), kWidth, kHeight, marked, [&](Generator&) { return LabelledImage(marked); },
        rng);
    return std::pair(canvas, boxes);
  };
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    CHECK((view(seed) == view(seed)));
    CHECK(view(seed).first != view(seed + 1).first);
  }
}

TEST_CASE("settings out of range are refused", "[data][augment]") {
  CHECK_NOTHROW(Augment{}.check());
  CHECK_NOTHROW(Augment::none().check());
  CHECK_THROWS_AS((Augment{.mirror = 1.5}.check()), Error);
  CHECK_THROWS_AS((Augment{.scale = 0.5}.check()), Error);
  CHECK_THROWS_AS((Augment{.translate = -0.1}.check()), Error);
  CHECK_THROWS_AS((Augment{.hue = 0.6}.check()), Error);
  CHECK_THROWS_WITH((Augment{.upside_down = 2}.check()),
                    "augmentation: upside-down should be a number from 0 to 1, got 2");
}

TEST_CASE("what views do otherwise is said as options", "[data][augment]") {
  CHECK(changed_settings({}).empty());
  CHECK(changed_settings({.hue = 0.1, .mosaic = 0}) == "--augment-hue 0.1, --augment-mosaic 0");
}
