#include "serpette/io/draw.hpp"

#include "support/catch.hpp"

#include <set>

using namespace serpette;

namespace {
Rgb8 pixel(const Image& image, int x, int y) {
  return {image.at(x, y)[0], image.at(x, y)[1], image.at(x, y)[2]};
}
}  // namespace

TEST_CASE("text is legible dots", "[io][draw]") {
  // Not a test of taste: the letter as a person reads it.
  Image image(6, 13);
  draw_text(image, 0, 0, "A", {255, 255, 255});
  std::string seen;
  for (int y = 0; y < 13; ++y, seen += '\n')
    for (int x = 0; x < 6; ++x) seen += image.at(x, y)[0] != 0 ? '#' : '.';
  CHECK(seen ==
        "......\n......\n..#...\n.#.#..\n#...#.\n#...#.\n#...#.\n#####.\n#...#.\n#...#.\n#...#.\n.."
        "....\n......\n");
  CHECK(text_width("abc") == 18);
  CHECK(text_width("é–x") == 18);
}

TEST_CASE("drawing beyond the edges draws what lies within", "[io][draw]") {
  Image image(20, 10);
  fill_rectangle(image, -5, -5, 3, 2, {9, 8, 7});
  CHECK(pixel(image, 2, 1) == Rgb8{9, 8, 7});
  CHECK(pixel(image, 3, 1) == Rgb8{0, 0, 0});
  draw_text(image, -100, 0, "far", {1, 1, 1});
  draw_text(image, 15, 5, "near", {1, 1, 1});
  draw_box(image, {-50, -50, 500, 500}, "a label longer than the picture is wide", {255, 0, 0});
  CHECK(image.rgb.size() == 600);
}

TEST_CASE("a box is framed on its pixels", "[io][draw]") {
  Image image(100, 80);
  draw_box(image, {20, 30, 40, 25}, "", {255, 0, 0});
  for (int y = 0; y < 80; ++y)
    for (int x = 0; x < 100; ++x) {
      const bool within = x >= 20 && x < 60 && y >= 30 && y < 55;
      const bool inner = x >= 22 && x < 58 && y >= 32 && y < 53;
      CHECK((pixel(image, x, y) == Rgb8{255, 0, 0}) == (within && !inner));
    }
}

TEST_CASE("no label hides another", "[io][draw]") {
  const auto labels = [](int count) {
    Image image(400, 300);
    std::vector<detail::Pixels> taken;
    for (int i = 0; i < count; ++i)
      detail::draw_label(image, {100, 100, 180, 160}, "label 0.50", {255, 0, 0}, taken);
    return taken;
  };
  const auto all = labels(9);
  CHECK(all.size() == 4);  // above, within twice, below; the others find no room
  for (std::size_t i = 0; i < all.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) CHECK_FALSE(all[i].meets(all[j]));
  CHECK(labels(1).front().bottom == 100);
}

TEST_CASE("resizing averages", "[io][draw]") {
  Image image(6, 4);
  for (std::size_t i = 0; i < image.rgb.size(); ++i)
    image.rgb[i] = static_cast<std::uint8_t>(i * 3);
  CHECK(resized(image, 6, 4) == image);
  CHECK(resized(resized(image, 18, 8), 6, 4) == image);
  const Image one = resized(image, 1, 1);
  CHECK(pixel(one, 0, 0) == Rgb8{104, 107, 110});  // means of 9·k over 24 pixels, 103.5 rounded up
  const Image half = resized(image, 4, 4);         // 1.5 old pixels each
  CHECK(half.at(0, 0)[0] == 3);                    // (0 + 9 / 2) / 1.5
  CHECK_THROWS_AS(resized(image, 0, 3), Error);
}

TEST_CASE("detections are drawn in their class's colour, small pictures enlarged", "[io][draw]") {
  Image image(100, 50);
  const std::vector<CocoCategory> categories{{1, "cat"}, {2, "dog"}};
  const std::vector<Detection> found{{7, 1, 0.9, {20, 20, 30, 20}}, {7, 5, 0.4, {60, 20, 30, 20}}};
  draw_detections(image, found, categories);
  CHECK(image.width == 300);
  CHECK(image.height == 150);
  CHECK(pixel(image, 60, 100) == class_color(1));
  CHECK(pixel(image, 180, 100) == class_color(5));
  CHECK(pixel(image, 100, 100) == Rgb8{0, 0, 0});
  std::set<Rgb8> colors;
  for (int c = 0; c < 80; ++c) colors.insert(class_color(c));
  CHECK(colors.size() > 75);
}

TEST_CASE("a grid puts every picture in its place", "[io][draw]") {
  const Image red = [] {
    Image image(50, 100);
    fill_rectangle(image, 0, 0, 50, 100, {255, 0, 0});
    return image;
  }();
  const Image grid =
      sample_grid({{red, Image{}, red}, {red}}, {"first", "second"}, {"0 %", "50 %", "90 %"}, 100);
  CHECK(grid.width == 8 + 3 * 108);
  // Red pixels: three pictures scaled to 50 × 100.
  std::int64_t count = 0;
  for (int y = 0; y < grid.height; ++y)
    for (int x = 0; x < grid.width; ++x) count += pixel(grid, x, y) == Rgb8{255, 0, 0};
  CHECK(count == 3 * 50 * 100);
  CHECK_THROWS_AS(sample_grid({{red}}, {}, {"0 %"}), Error);
  CHECK_THROWS_AS(sample_grid({{red, red}}, {"row"}, {"0 %"}), Error);
}
