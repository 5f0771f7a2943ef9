#include "serpette_report/comparison.hpp"

#include "serpette/io/read_file.hpp"
#include "serpette_report/report.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"
#include "unit/report/support.hpp"

using namespace serpette;
using Catch::Matchers::ContainsSubstring;

TEST_CASE("studies with the same scenarios are compared scenario by scenario",
          "[report][comparison]") {
  auto cells = test::some_cells();
  const Study a(cells);
  for (auto& cell : cells) cell.ap50 += cell.ratio == "50" ? 0.05 : 0;
  const Study b(cells);
  const auto pairs = contenders(a, b, "old", "new");
  REQUIRE(pairs.size() == 2);
  CHECK(pairs[0].first.label == "Unstructured DeepLIFT (old)");
  const auto tests = compare_contenders(pairs, "standard");
  REQUIRE(tests.size() == 2 * 3 * 3);
  for (const auto& t : tests) {
    if (t.family != "clean mAP") continue;
    CHECK(t.difference == Catch::Approx(t.ratio == "50" ? 0.05 : 0).margin(1e-12));
    CHECK(t.low <= t.difference + 1e-12);
    CHECK(t.high >= t.difference - 1e-12);
    CHECK((t.holm_p < 0.05) == (t.ratio == "50"));
  }
  const auto findings = comparison_findings(tests);
  const auto found = std::ranges::find(findings, "clean mAP", &Finding::family);
  REQUIRE(found != findings.end());
  CHECK(found->better == std::vector<std::string>{"50 %"});
  CHECK(found->open == std::vector<std::string>{"0 %", "90 %"});
  CHECK_THAT(comparison_words(findings)[2],
             ContainsSubstring("AP50 on clean images: ") &&
                 ContainsSubstring("better at 50 %; not told apart at 0 %, 90 %"));
  // Tables name a scenario that both have once.
  CHECK(found->pair == "Unstructured DeepLIFT");
  CHECK(detail::findings_table(findings).rows.front().front() == "Unstructured DeepLIFT");
  CHECK(detail::differences_table(tests, family("clean mAP")).rows.front().front() ==
        "Unstructured DeepLIFT");
  // Welch's t with SciPy, times three by Holm: 0.010807.
  CHECK(detail::differences_table(tests, family("clean mAP")).rows[1][6] == "0.011");
  // One colour for a scenario, one kind of line for a study.
  std::vector<Contender> all;
  for (const auto& [one, two] : pairs) all.insert(all.end(), {one, two});
  const auto figure = detail::comparison_figure(all, family("mAP"), "standard");
  REQUIRE(figure.series.size() == 4);
  CHECK(figure.series[0].style.hue == figure.series[1].style.hue);
  CHECK(figure.series[0].style.hue != figure.series[2].style.hue);
  CHECK(figure.series[0].style.dash == figure.series[2].style.dash);
  CHECK(figure.series[0].style.dash != figure.series[1].style.dash);
}

TEST_CASE("studies without a common scenario are compared crosswise", "[report][comparison]") {
  const Study a(test::some_cells());
  auto cells = test::some_cells();
  std::erase_if(cells,
                [](const auto& c) { return c.scenario != "structured_hydra" || c.ratio == "0"; });
  for (auto& cell : cells) cell.scenario = "mine", cell.ms_total *= 2;
  const Study b(cells);
  const auto pairs = contenders(a, b, "paper", "mine");
  REQUIRE(pairs.size() == 2);
  const auto tests = compare_contenders(pairs, "standard");
  CHECK(std::ranges::none_of(tests, [](const auto& t) { return t.ratio == "0"; }));
  const test::Scratch folder;
  const std::vector<std::string> notes{"measured <otherwise>"};
  const auto words = write_comparison(pairs, "standard", folder.path(), notes);
  CHECK_THAT(
      fmt::format("{}", fmt::join(words, "\n")),
      ContainsSubstring(
          "total time per image: Mine (mine) against Structured HYDRA (paper) is worse at 50 "
          "%, 90 %"));
  CHECK(read_file(folder / "compare.csv").starts_with("metric,ratio_percent,first,second"));
  CHECK_THAT(read_file(folder / "index.html"),
             ContainsSubstring("<svg") && !ContainsSubstring("src=") &&
                 ContainsSubstring("<p class=\"note\">measured &lt;otherwise&gt;</p>") &&
                 ContainsSubstring("<b>mine</b>, against the first, <b>paper</b>") &&
                 ContainsSubstring("<td>Mine (mine) against Structured HYDRA (paper)</td>"));
}

TEST_CASE("a report and a comparison keep out of each other's folder, and off the cells",
          "[report][comparison]") {
  const test::Scratch folder;
  const auto place = folder / "cells/compare.csv";
  write_file(place, cells_csv(test::some_cells()));
  const Study a(test::some_cells(), place.string()), b(test::some_cells());
  const auto pairs = contenders(a, b, "a", "b");
  const auto report = [&](const std::string& to) {
    return write_report(test::some_cells(), folder / to, {.pictures = false});
  };
  const auto compare = [&](const std::string& to) {
    return write_comparison(pairs, "standard", folder / to);
  };
  (void)report("r");
  (void)compare("c");
  const auto page = read_file(folder / "r/index.html"), other = read_file(folder / "c/index.html");
  CHECK_THROWS_WITH(compare("r"),
                    ContainsSubstring("should be another folder than that of a report"));
  CHECK_THROWS_WITH(report("c"),
                    ContainsSubstring("should be another folder than that of a comparison"));
  CHECK(read_file(folder / "r/index.html") == page);
  CHECK(std::filesystem::exists(folder / "r/tests.csv"));
  CHECK(read_file(folder / "c/index.html") == other);
  CHECK_NOTHROW(report("r"));
  CHECK_NOTHROW(compare("c"));
  CHECK_THROWS_WITH(compare("cells"), ContainsSubstring("should be another file than the input"));
  CHECK(read_file(place) == cells_csv(test::some_cells()));
  CHECK_FALSE(std::filesystem::exists(folder / "cells/index.html"));
}

TEST_CASE("studies that share nothing are refused", "[report][comparison]") {
  const Study a(test::some_cells());
  auto cells = test::some_cells();
  for (auto& cell : cells) cell.ratio = cell.ratio == "0" ? "10" : cell.ratio == "50" ? "20" : "30";
  const Study b(cells);
  CHECK_THROWS_WITH(compare_contenders(contenders(a, b, "a", "b"), "standard"),
                    ContainsSubstring("share a pruning ratio"));
}
