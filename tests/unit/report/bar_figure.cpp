#include "serpette_report/bar_figure.hpp"

#include <algorithm>
#include <regex>

#include "support/catch.hpp"

using namespace serpette;

namespace {

std::vector<std::string> all(const std::string& text, const std::string& pattern) {
  const std::regex wanted(pattern);
  std::vector<std::string> found;
  for (std::sregex_iterator at(text.begin(), text.end(), wanted), end; at != end; ++at)
    found.push_back((*at)[1]);
  return found;
}

}  // namespace

TEST_CASE("bars are as long as their values, in their order", "[report][bar_figure]") {
  const auto svg =
      bar_svg({"a <b> & c", "ms", {{"x", 2, "one"}, {"y", 4, "two"}, {"z", 0, "one"}}});
  CHECK(all(svg, "<title>(\\w): ") == std::vector<std::string>{"x", "y", "z"});
  const auto widths = all(svg, "width=\"([0-9.]+)\" height=\"11\" fill=\"[^\"]*\"><title>");
  REQUIRE(widths.size() == 3);
  CHECK(std::abs(2 * std::stod(widths[0]) - std::stod(widths[1])) < 0.02);
  CHECK(std::stod(widths[2]) == 0);
  CHECK(svg.find("a &lt;b&gt; &amp; c") != std::string::npos);
  const auto colors = all(svg, "fill=\"(#[0-9a-f]+)\"><title>");
  CHECK(colors[0] == colors[2]);
  CHECK(colors[0] != colors[1]);
}

TEST_CASE("a bar figure without bars, or of zeros, is a figure", "[report][bar_figure]") {
  for (const BarFigure& figure :
       {BarFigure{"none", "ms", {}}, BarFigure{"zero", "ms", {{"x", 0, ""}}}}) {
    const auto svg = bar_svg(figure);
    CHECK(svg.find("nan") == std::string::npos);
    CHECK(svg.ends_with("</svg>\n"));
  }
}
