#include "serpette_report/before_after.hpp"

#include <regex>

#include "serpette/io/atomic_file.hpp"
#include "serpette/io/image.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"

using namespace serpette;
using Catch::Matchers::ContainsSubstring;

namespace {

/// Captures of a pattern's first group, in order.
std::vector<std::string> captured(const std::string& text, const std::string& pattern) {
  const std::regex wanted(pattern);
  std::vector<std::string> found;
  for (std::sregex_iterator at(text.begin(), text.end(), wanted), end; at != end; ++at)
    found.push_back((*at)[1]);
  return found;
}

std::vector<BeforeAfter> some_numbers() {
  return {{"AP50", 0.5, 0.4, 3, true},        {"robust <AP50>", NAN, NAN, 3, true},
          {"ms, network", 2, 0.5, 2, false},  {"parameters", 2e6, 6e6, 0, false},
          {"nothing before", 0, 1, 0, false}, {"as good as nothing", 4e-4, 0.4, 3, true}};
}

/// A study's cells of the untouched network and of one at 75 %, on one picture.
SampleSource one_picture(const test::Scratch& folder) {
  write_file(folder / "images/a.jpg", encode_jpeg(Image(60, 40, 90).rgb, 60, 40, 90));
  write_file(folder / "truth.json", R"({"images": [{"id": 1, "file_name": "a.jpg", "width": 60,
    "height": 40}], "categories": [{"id": 7, "name": "cup"}], "annotations": [{"id": 1,
    "image_id": 1, "category_id": 7, "bbox": [10, 10, 20, 20], "area": 400, "iscrowd": 0}]})");
  const std::string head = "image_id,confidence,x,y,width,height,category_id\n";
  const auto cells = folder / "cells";
  write_file(cells / "original-run1-ratio0/detections.csv", head + "1,0.9,10,10,20,20,7\n");
  write_file(cells / "original-run1-ratio0/detections_attacked.csv", head);
  write_file(cells / "kernel_hydra-run1-ratio75/detections.csv", head + "1,0.8,35,20,20,15,7\n");
  write_file(cells / "kernel_hydra-run1-ratio75/detections_attacked.csv",
             head + "1,0.7,11,10,20,20,7\n1,0.2,0,0,9,9,7\n");
  return {.cells = cells, .images = folder / "images", .annotations = folder / "truth.json"};
}

}  // namespace

TEST_CASE("a table of before and after says what is left of each number",
          "[report][before_after]") {
  const auto table = before_after_table(some_numbers());
  CHECK(table.name == "before_and_after");
  REQUIRE(table.rows.size() == 6);
  CHECK(table.rows[0] == std::vector<std::string>{"AP50", "0.500", "0.400", "80 %"});
  CHECK(table.rows[1] == std::vector<std::string>{"robust <AP50>", "–", "–", "–"});
  CHECK(table.rows[3] == std::vector<std::string>{"parameters", "2000000", "6000000", "300 %"});
  CHECK(table.rows[4] == std::vector<std::string>{"nothing before", "0", "1", "–"});
  CHECK(table.rows[5] == std::vector<std::string>{"as good as nothing", "0.000", "0.400", "–"});
}

TEST_CASE("bars are as long as what is left, and no longer than their place",
          "[report][before_after]") {
  const auto svg = detail::shares_svg(some_numbers());
  CHECK(captured(svg, "<title>([^:]*): ") ==
        std::vector<std::string>{"AP50", "ms, network", "parameters"});
  const auto tracks = captured(svg, "width=\"([0-9.]+)\" height=\"16\" fill=\"var\\(--grid");
  const auto bars = captured(svg, "width=\"([0-9.]+)\" height=\"16\" fill=\"var\\(--h[01]");
  REQUIRE(tracks.size() == 3);
  REQUIRE(bars.size() == 3);
  const auto share = [&](std::size_t i) { return std::stod(bars[i]) / std::stod(tracks[i]); };
  CHECK(std::abs(share(0) - 0.8) < 2e-3);
  CHECK(std::abs(share(1) - 0.25) < 2e-3);
  CHECK(std::abs(share(2) - 1.5) < 2e-3);  // of 300 %
  CHECK(captured(svg, "fill=\"var\\(--h([01])") == std::vector<std::string>{"0", "1", "1"});
  CHECK_THAT(svg, ContainsSubstring("2.00 M → 6.00 M"));
  CHECK_THAT(svg, !ContainsSubstring("nan"));
  CHECK_THAT(detail::shares_svg({}), ContainsSubstring("</svg>") && !ContainsSubstring("nan"));
}

TEST_CASE("a column a convolution, as high as what is left of it", "[report][before_after]") {
  const std::vector<LayerBeforeAfter> layers{
      {"conv_0", 400, 400, "direct"}, {"conv_1", 1000, 100, "weights"}, {"conv_2", 0, 0, ""}};
  const auto svg = detail::layers_svg(layers);
  const auto heights = captured(svg, "height=\"([0-9.]+)\" fill=\"var\\(--h0");
  REQUIRE(heights.size() == 3);
  CHECK(std::abs(std::stod(heights[1]) / std::stod(heights[0]) - 0.1) < 2e-3);
  CHECK(std::stod(heights[2]) == 0);
  CHECK_THAT(detail::layers_table(layers), ContainsSubstring("10.0&nbsp;%") &&
                                               ContainsSubstring("<td>weights</td>") &&
                                               !ContainsSubstring("nan"));
  CHECK_THAT(detail::layers_svg({}), ContainsSubstring("</svg>") && !ContainsSubstring("nan"));
}

TEST_CASE("a pruned network's page holds all that it shows", "[report][before_after]") {
  const test::Scratch folder;
  BeforeAfterPage page{.title = "75 % & <pruned>",
                       .numbers = some_numbers(),
                       .layers = {{"conv_0", 4, 1, "direct"}},
                       .before = {"original", "0", 1},
                       .after = {"kernel_hydra", "75", 1},
                       .attack = "PGD",
                       .facts = {{"Command", "prune --ratio 75 <x>"}}};
  const auto samples = read_samples(std::vector{page.before, page.after}, one_picture(folder));
  REQUIRE(samples.cells.size() == 2);
  page.samples = &samples;
  const auto html = before_after_html(page);
  CHECK(html.starts_with("<!doctype html>"));
  CHECK_THAT(html, ContainsSubstring("75 % &amp; &lt;pruned&gt;") &&
                       ContainsSubstring("prune --ratio 75 &lt;x&gt;") &&
                       ContainsSubstring("robust &lt;AP50&gt;") &&
                       ContainsSubstring("prefers-color-scheme:dark"));
  CHECK(captured(html, "<section id=\"(\\w+)\"") ==
        std::vector<std::string>{"numbers", "pictures", "layers", "made"});
  CHECK(captured(html, "(?:src|href)=\"((?!#|data:)[^\"]*)\"").empty());  // all is inside
  // One picture, embedded once and seen four times: by both, clean and attacked.
  CHECK(captured(html, "(data:image/jpeg;base64,)").size() == 1);
  CHECK(captured(html, "<use href=\"(#picture-0)\"").size() == 4);
  CHECK(captured(html, "(cup 0\\.[0-9]+)<") ==
        std::vector<std::string>{"cup 0.90", "cup 0.80", "cup 0.70"});  // 0.2 is not shown
  CHECK(captured(html, "(stroke-dasharray)").size() == 1);              // beside every cup
  CHECK_THAT(html, ContainsSubstring("Pruned, under PGD") && !ContainsSubstring("filter=\""));
  page.greyscale = true;
  CHECK(captured(before_after_html(page), "( filter=\"url\\(#grey\\)\")").size() == 2);
}

TEST_CASE("a page leaves out what there is nothing of", "[report][before_after]") {
  const test::Scratch folder;
  const Samples none;
  BeforeAfterPage page{.title = "t", .numbers = some_numbers(), .samples = &none};
  CHECK(captured(before_after_html(page), "<section id=\"(\\w+)\"") ==
        std::vector<std::string>{"numbers"});
  page.tried = {.name = "", .title = "", .header = {"Ratio", "AP50"}, .rows = {{"50 %", "0.4"}}};
  CHECK(captured(before_after_html(page), "<section id=\"(\\w+)\"") ==
        std::vector<std::string>{"numbers", "tried"});
}
