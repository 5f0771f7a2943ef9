#include "serpette/data/letterbox.hpp"

#include "support/catch.hpp"
#include "support/npz.hpp"
#include "support/scratch.hpp"

#include <nlohmann/json.hpp>

#include "serpette/core/seed.hpp"

using namespace serpette;

namespace {

Image noise(int width, int height, std::uint64_t seed) {
  Image image(width, height);
  Generator rng{Seed(seed)};
  for (auto& value : image.rgb) value = static_cast<std::uint8_t>(rng.below(256));
  return image;
}

// The definition, written as a formula: every sample on its own, in doubles.
double sampled(const Image& image, const Letterbox& l, int channel, int x, int y) {
  if (x < l.left || x >= l.left + l.width || y < l.top || y >= l.top + l.height) return 0.5;
  const auto clamped = [&](double c, int n, int& low, int& high) {
    const double floor = std::floor(c);
    low = std::clamp(static_cast<int>(floor), 0, n - 1);
    high = std::clamp(static_cast<int>(floor) + 1, 0, n - 1);
    return c - floor;
  };
  int x0, x1, y0, y1;
  const double tx = clamped((x - l.left + 0.5) * image.width / l.width - 0.5, image.width, x0, x1);
  const double ty =
      clamped((y - l.top + 0.5) * image.height / l.height - 0.5, image.height, y0, y1);
  const auto value = [&](int u, int v) { return image.at(u, v)[channel] / 255.0; };
  return (value(x0, y0) * (1 - tx) + value(x1, y0) * tx) * (1 - ty) +
         (value(x0, y1) * (1 - tx) + value(x1, y1) * tx) * ty;
}

double worst(const Letterboxed& made, const Image& image) {
  const auto values = made.image.accessor<float, 3>();
  double worst = 0;
  for (int c = 0; c < 3; ++c)
    for (int y = 0; y < made.geometry.canvas_height; ++y)
      for (int x = 0; x < made.geometry.canvas_width; ++x)
        worst = std::max(worst, std::abs(values[c][y][x] - sampled(image, made.geometry, c, x, y)));
  return worst;
}

}  // namespace

TEST_CASE("a letterboxed picture is the bilinear formula, up, down and at any shape",
          "[data][letterbox]") {
  const auto [width, height] = GENERATE(table<int, int>(
      {{1, 1}, {2, 3}, {7, 1}, {1, 9}, {64, 64}, {100, 37}, {33, 180}, {257, 255}}));
  const auto [w, h] = GENERATE(table<int, int>({{64, 64}, {96, 32}, {1, 1}, {17, 50}}));
  const Image image = noise(width, height, static_cast<std::uint64_t>(1000 * width + height));
  const auto made = letterbox(image, w, h);
  CHECK(made.image.sizes() == at::IntArrayRef{3, h, w});
  CHECK(worst(made, image) < 1e-6);
}

TEST_CASE("a file goes to the canvas as its picture does", "[data][letterbox]") {
  const test::Scratch folder;
  const Image image = noise(150, 90, 3);
  write_png(folder / "a.png", image);
  write_jpeg(folder / "a.jpg", image);
  CHECK(read_letterboxed(folder / "a.png", 64, 64).image.equal(letterbox(image, 64, 64).image));
  const auto jpeg = read_letterboxed(folder / "a.jpg", 96, 64);
  CHECK(jpeg.image.equal(letterbox(read_image(folder / "a.jpg"), 96, 64).image));
  CHECK((jpeg.geometry == Letterbox::fit(150, 90, 96, 64)));
}

TEST_CASE("letterboxes are OpenCV's resize on floats", "[data][letterbox][golden]") {
  const auto golden = nlohmann::json::parse(read_file(test::file("golden/images.json")));
  for (const auto& expected : golden["letterboxed"]) {
    const auto name = expected["file"].get<std::string>();
    const int width = expected["width"].get<int>(), height = expected["height"].get<int>();
    INFO(name << " on " << width << " x " << height);
    const auto values =
        at::tensor(expected["values"].get<std::vector<float>>()).view({3, height, width});
    const auto made = read_letterboxed(test::file("golden/images") / name, width, height).image;
    CHECK((made - values).abs().max().item<float>() < 1e-5F);
  }
}

TEST_CASE("real photographs give the reference program's network input",
          "[data][letterbox][real]") {
  const auto data = test::real_data();
  for (const char* name : {"000000166918", "000000214753", "000000255165"}) {
    const auto reference =
        test::read_npz(data / "oracle" / (std::string(name) + ".npz")).at("input");
    const auto made =
        read_letterboxed(data / "coco_dev/images" / (std::string(name) + ".jpg"), 416, 416).image;
    CHECK((made - reference.view({3, 416, 416})).abs().max().item<float>() < 1e-5F);
  }
}
