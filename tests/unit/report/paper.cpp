// The paper's own tables: what it prints follows from its raw runs.

#include "serpette_report/claims.hpp"
#include "serpette_report/curve_claims.hpp"
#include "serpette_report/paper_data.hpp"
#include "serpette_report/report.hpp"

#include "support/catch.hpp"
#include "support/scratch.hpp"
#include "unit/report/support.hpp"

using namespace serpette;
using Catch::Matchers::ContainsSubstring;

namespace {
std::filesystem::path paper() { return test::file("../share/paper"); }
}  // namespace

TEST_CASE("all 90 p-values and 360 summary entries of the paper follow from its runs",
          "[report][paper_data][golden]") {
  const Study study(paper_cells(paper()));
  CHECK(study.networks() == 450);
  const auto tests = pair_tests(study, "paper", 50);
  const auto entries = agreement(study, "paper", tests, paper());
  REQUIRE(entries.size() == 450);
  CHECK(std::ranges::count(entries, "p", &AgreementEntry::statistic) == 90);
  for (const auto& e : entries) {
    CAPTURE(e.table, e.entry, e.ratio, e.statistic, e.printed, e.computed);
    CHECK(e.agrees());
    // Tables I and III are truncated, II and IV rounded.
    if (e.statistic == "p")
      CHECK_THAT(std::string(e.reading()),
                 ContainsSubstring(e.table == "I" || e.table == "III" ? "truncated" : "rounded"));
  }
}

TEST_CASE("one unit of the last digit is read off the print", "[report][paper_data]") {
  CHECK(detail::last_digit("0.412") == Catch::Approx(1e-3));
  CHECK(detail::last_digit("118.7") == Catch::Approx(0.1));
  CHECK(detail::last_digit("1.03e-21") == Catch::Approx(1e-23));
  CHECK(detail::last_digit("2.1e+00") == Catch::Approx(0.1));
  CHECK(detail::last_digit("12") == 1);
  AgreementEntry e;
  e.units = 1.2;
  CHECK_FALSE(e.agrees());
  CHECK(e.reading() == "differs");
  e.units = -0.8;
  CHECK(e.reading() == "within one unit");
}

TEST_CASE("a printed table that does not follow from the runs is seen", "[report][paper_data]") {
  const test::Scratch folder;
  for (const auto* name : {"runs.csv", "summary.csv", "anova.csv"}) {
    auto text = read_file(paper() / name);
    if (const auto at = text.find("max,0.412"); at != std::string::npos)
      text.replace(at, 9, "max,0.414");
    write_file(folder / name, text);
  }
  const Study study(paper_cells(folder.path()));
  const auto entries = agreement(study, "paper", pair_tests(study, "paper", 50), folder.path());
  CHECK(std::ranges::count_if(entries, [](const auto& e) { return !e.agrees(); }) == 1);
}

TEST_CASE("tables come out as the paper prints them", "[report][tables]") {
  const Study study(paper_cells(paper()));
  const auto tests = pair_tests(study, "paper", 50);
  const auto tables = all_tables(study, "paper", tests);
  REQUIRE(tables.size() == 14);
  CHECK(tables[0].name == "table_I");
  CHECK(tables[0].rows[2][1] == "6.52e-01");
  const auto v = std::ranges::find(tables, "table_V", &TextTable::name);
  REQUIRE(v != tables.end());
  CHECK(v->rows[0] == std::vector<std::string>{"run 1", "0.410", "0.380", "0.353", "0.358", "0.293",
                                               "0.249", "0.176", "0.103", "0.046"});
  CHECK(v->rows.back()[1] == "8.0e-04");
  CHECK_THAT(to_markdown(*v),
             ContainsSubstring("| Pruning ratio | 0% |") && ContainsSubstring("| :-- | --: |"));
  CHECK_THAT(to_latex(*v), ContainsSubstring("\\toprule") && ContainsSubstring("0\\% & 25\\%") &&
                               ContainsSubstring("std dev & 8.0e-04"));
  CHECK(to_csv(*v).starts_with("Pruning ratio,0%,25%"));
  // Our machine-readable files have the columns of the paper's data.
  CHECK(runs_csv(study, "paper").starts_with(read_file(paper() / "runs.csv").substr(0, 48)));
  CHECK(
      anova_csv(tests).starts_with("table,metric,comparison,ratio_percent,p_value\nI,mAP,DeepLIFT "
                                   "vs. HYDRA (Unstructured),0,0.10327938"));
}

TEST_CASE("claims are judged after correction, ratio by ratio", "[report][claims]") {
  const Study study(paper_cells(paper()));
  const auto tests = pair_tests(study, "paper", 50);
  const auto claims = paper_claims(tests);
  REQUIRE(claims.size() == 13);
  const auto verdict = [&](std::string_view words) {
    const auto found = std::ranges::find_if(
        claims, [&](const auto& c) { return c.text.find(words) != std::string::npos; });
    REQUIRE(found != claims.end());
    return found->verdict;
  };
  CHECK(verdict("structured pruning with DeepLIFT, 25") == "supported");
  CHECK(verdict("Greyscale images cost mAP") == "supported");
  // An equality can be refuted, not proven.
  CHECK(verdict("At 95 and 99 %") == "not refuted");
  // Not every claim survives: the control at 0 % finds a "difference" in time where nothing is
  // pruned.
  CHECK(verdict("no clear difference to the inference time under unstructured") ==
        "refuted at some ratios");
  const auto remarks = study_remarks(study, "paper", tests);
  CHECK_THAT(remarks.front(), ContainsSubstring("Control at 0 %") && ContainsSubstring("drift"));
  CHECK_THAT(remarks.at(1), ContainsSubstring("with 10 runs per group"));
}

TEST_CASE("claims about whole curves are judged by resampling runs", "[report][claims]") {
  const Study study(paper_cells(paper()));
  const auto claims = curve_claims(study, "paper");
  REQUIRE(claims.size() == 7);
  CHECK(claims[0].verdict == "supported");
  CHECK(claims[0].reason == "found at 40 of 40 steps");
  CHECK_THAT(claims[1].text, ContainsSubstring("\"S\" shape"));
  CHECK(claims[1].verdict == "supported");
  // 54.0 ms of 88.3 ms at 65 %: more than 0.6 of it.
  CHECK_THAT(claims[3].text, ContainsSubstring("half the time") && ContainsSubstring("HYDRA"));
  CHECK(claims[3].verdict == "partly supported");
  CHECK_THAT(claims[3].reason, ContainsSubstring("0.61 [0.61, 0.62] at 65 %"));
  CHECK(claims[6].verdict == "supported");
}

TEST_CASE("a flat or straight curve has no S shape", "[report][claims]") {
  auto cells = paper_cells(paper());
  const auto verdict = [&](auto&& time) {
    for (auto& c : cells) c.ms_total = time(100 * Ratio::parse(c.ratio).fraction(), c.run);
    return curve_claims(Study(cells), "paper")[1].verdict;
  };
  CHECK(verdict([](double x, auto) { return 120 - x; }) == "contradicted");
  CHECK(verdict([](double, auto run) { return 50 + 0.1 * static_cast<double>(run); }) ==
        "contradicted");
  // Flat but for one step up and down again: noise, though steepest inside.
  CHECK(verdict([](double x, auto) { return x == 50 ? 51.0 : 50.0; }) == "contradicted");
  CHECK(verdict([](double x, auto) { return 100 / (1 + std::exp((x - 60) / 8)); }) == "supported");
}

TEST_CASE("assumptions are a table beside the tests", "[report][tests]") {
  const Study study(paper_cells(paper()));
  const auto tests = pair_tests(study, "paper", 50);
  const auto csv = assumptions_csv(tests);
  CHECK(std::ranges::count(csv, '\n') == 91);
  CHECK_THAT(csv,
             ContainsSubstring("variances differ") && ContainsSubstring("nothing against them"));
  // Unstructured DeepLIFT against HYDRA in time at 0 %: 0.22 ms against 0.066 ms of spread.
  CHECK_THAT(csv, ContainsSubstring("II,time,DeepLIFT vs. HYDRA (Unstructured),0,10,10,0.05"));
  CHECK(std::ranges::count(omnibus_csv(study, "paper"), '\n') == 19);
  for (const auto& t : tests) {
    CHECK(t.low <= t.difference);
    CHECK(t.difference <= t.high);
    CHECK(t.eta_low <= t.eta_high);
    CHECK(t.detectable > 0);
  }
}

TEST_CASE("groups without variance are called so and stop nothing", "[report][tests]") {
  auto cells = test::some_cells();
  for (auto& cell : cells) {
    cell.ap50 = cell.ratio == "90" ? 0.0 : 0.25;
    cell.robust_ap50 = 0.25 - 0.01 * static_cast<double>(cell.run);
  }
  const test::Scratch folder;
  const auto result = write_report(cells, folder / "r", {.pictures = false});
  const auto html = read_file(result.page);
  CHECK_THAT(html, ContainsSubstring("undefined"));
  CHECK_THAT(html, !ContainsSubstring(">nan<") && !ContainsSubstring("-nan"));
  for (const auto& t : pair_tests(Study(cells), "standard", 50))
    if (t.comparison.family == "mAP") CHECK(std::isnan(t.anova_p));
}

TEST_CASE("an incomplete study reports with a note when asked, from one run as well",
          "[report][report]") {
  auto cells = test::some_cells();
  std::erase_if(cells, [](const auto& c) {
    return c.scenario == "structured_hydra" && c.run == 2 && c.ratio == "50";
  });
  const test::Scratch folder;
  CHECK_THROWS_WITH(write_report(cells, folder / "r"),
                    ContainsSubstring("missing: structured_hydra run 2 ratio 50"));
  CHECK_FALSE(std::filesystem::exists(folder / "r"));
  const auto result =
      write_report(cells, folder / "r", {.rules = {.partial = true}, .pictures = false});
  CHECK_THAT(result.notes.at(0), ContainsSubstring("2 cells are missing"));
  std::erase_if(cells, [](const auto& c) { return c.run != 1; });
  CHECK_NOTHROW(write_report(cells, folder / "one", {.pictures = false}));
  std::erase_if(cells, [](const auto& c) { return c.scenario != "structured_hydra"; });
  CHECK_NOTHROW(write_report(cells, folder / "alone", {.pictures = false}));
}
