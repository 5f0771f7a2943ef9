#include "serpette/report/report.hpp"

#include "serpette/io/read_file.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"
#include "unit/report/support.hpp"

#include <nlohmann/json.hpp>

using namespace serpette;
using Catch::Matchers::ContainsSubstring;

TEST_CASE("base64 as RFC 4648 has it", "[report][base64]") {
  CHECK(base64("").empty());
  CHECK(base64("f") == "Zg==");
  CHECK(base64("fo") == "Zm8=");
  CHECK(base64("foobar") == "Zm9vYmFy");
  CHECK(base64("\xff\xfe") == "//4=");
}

TEST_CASE("axis ticks are round and span the data", "[report][figure]") {
  const auto [low, high] = GENERATE(std::pair(0.0, 0.41), std::pair(3.2, 3.3), std::pair(-5.0, 1e6),
                                    std::pair(2.0, 2.0));
  const auto ticks = axis_ticks(low, high);
  CHECK(ticks.size() >= 2);
  CHECK(ticks.size() <= 12);
  CHECK(ticks.front() <= low + 1e-9);
  CHECK(ticks.back() >= high - 1e-9);
}

TEST_CASE("a figure draws a dot per mean and a bar per spread", "[report][figure]") {
  const Figure figure{
      "A <b>",
      "x",
      "y",
      {{"one & two", series_style(0), {0, 50, 90}, {1, 2, std::nan("")}, {0.1, 0, 0.2}}}};
  const auto svg = figure_svg(figure);
  CHECK_THAT(svg, ContainsSubstring("A &lt;b&gt;") && ContainsSubstring("one &amp; two"));
  CHECK_THAT(svg, !ContainsSubstring("nan"));
  std::size_t dots = 0;
  for (auto at = svg.find("<circle"); at != std::string::npos; at = svg.find("<circle", at + 1))
    ++dots;
  CHECK(dots == 3);  // two means and the legend
}

TEST_CASE("the page holds everything it shows", "[report][page]") {
  const test::Scratch folder;
  write_file(folder / "p.png", std::string_view("\x89PNG rest"));
  ReportOptions options;
  options.page.title = "Title <&>";
  options.page.pictures = {{folder / "p.png", "a grid"}};
  options.page.facts = {{"Seed", "7"}};
  options.pictures = false;
  const auto path = write_report(test::some_cells(), folder / "report", options).page;
  const auto html = read_file(path);
  CHECK_THAT(html, ContainsSubstring("Title &lt;&amp;&gt;") &&
                       ContainsSubstring("data:image/png;base64,iVBORyByZXN0"));
  CHECK_THAT(html, !ContainsSubstring("http://") && !ContainsSubstring("https://") &&
                       !ContainsSubstring("src=\"f"));
  const std::string open = "id=\"study\">";
  const auto from = html.find(open) + open.size();
  const auto data = nlohmann::json::parse(html.substr(from, html.find("</script>", from) - from));
  const std::vector<double> values = data["values"]["paper"]["structured_hydra"]["50"]["AP50"];
  CHECK(values ==
        Study(test::some_cells()).values("structured_hydra", "50", "paper", metric("AP50")));
  CHECK(std::filesystem::exists(folder / "report" / "figures" / "ms_network.svg"));
  options.page.pictures = {{path, "no picture"}};
  CHECK_THROWS_WITH(write_report(test::some_cells(), folder / "report", options),
                    ContainsSubstring("PNG or JPEG"));
}
