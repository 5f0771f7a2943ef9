// The paper's own tables: what it prints follows from its raw runs.

#include "serpette_report/claims.hpp"
#include "serpette_report/curve_claims.hpp"
#include "serpette_report/paper_data.hpp"
#include "serpette_report/paper_means.hpp"
#include "serpette_report/report.hpp"

#include "support/catch.hpp"
#include "support/scratch.hpp"
#include "unit/report/support.hpp"

#include <set>

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
  CHECK(tables[0].name == "table_I");
  CHECK(tables[0].rows[2][1] == "6.52e-01");
  const auto v = std::ranges::find(tables, "table_V", &TextTable::name);
  REQUIRE(v != tables.end());
  CHECK(v->rows[0] == std::vector<std::string>{"run 1", "0.410", "0.380", "0.353", "0.358", "0.293",
                                               "0.249", "0.176", "0.103", "0.046"});
  CHECK(v->rows[13][1] == "8.0e-04");
  // The untouched network is a row in every table of values.
  CHECK(v->rows[14] ==
        std::vector<std::string>{"Original", "0.176", "–", "–", "–", "–", "–", "–", "–", "–"});
  for (const auto* number :
       {"I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII", "XIII", "XIV"})
    CHECK(std::ranges::count(tables, "table_" + std::string(number), &TextTable::name) == 1);
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
  const auto claims = paper_claims(study, tests);
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
  auto cells = paper_cells(paper());
  for (auto& c : cells)
    if (c.scenario == "unstructured_hydra" && c.ratio != "65") c.ms_total = 0;
  const auto fewer = curve_claims(Study(cells), "paper");
  CHECK_THAT(fewer[3].reason, ContainsSubstring("0.61 [0.61, 0.62] at 65 %") &&
                                  !ContainsSubstring("inf") && !ContainsSubstring("75 %"));
}

TEST_CASE("a flat or straight curve has no S shape", "[report][claims]") {
  auto cells = paper_cells(paper());
  const auto verdict = [&](auto&& time) {
    for (auto& c : cells) c.ms_total = time(percent(c.ratio), c.run);
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

TEST_CASE("two runs say nothing of variances", "[report][tests]") {
  auto cells = test::some_cells();
  std::erase_if(cells, [](const auto& c) { return c.run == 3; });
  for (auto& cell : cells)  // one scenario spreads more than the other
    if (cell.scenario == "structured_hydra")
      cell.robust_ap50 += 0.03 * static_cast<double>(cell.run);
  const Study study(cells);
  const auto tests = pair_tests(study, "standard", 50);
  REQUIRE_FALSE(tests.empty());
  for (const auto& t : tests) {
    CHECK_FALSE(t.levene.defined());
    CHECK(t.assumptions() == "too few runs to tell");
  }
  const auto remarks = study_remarks(study, "standard", tests);
  CHECK(std::ranges::any_of(
      remarks, [](const auto& r) { return r.starts_with("Assumptions: too few runs"); }));
  CHECK(std::ranges::none_of(
      remarks, [](const auto& r) { return r.find("variances differ") != std::string::npos; }));
}

TEST_CASE("groups without variance are called so and stop nothing", "[report][tests]") {
  auto cells = test::some_cells();
  for (auto& cell : cells) {
    cell.robust_ap50 = cell.ratio == "90" ? 0.0 : 0.25;
    cell.ap50 = 0.25 - 0.01 * static_cast<double>(cell.run);
  }
  const test::Scratch folder;
  const auto result = write_report(cells, folder / "r", {.pictures = false});
  const auto html = read_file(result.page);
  CHECK_THAT(html, ContainsSubstring("undefined"));
  CHECK_THAT(html, !ContainsSubstring(">nan<") && !ContainsSubstring("-nan"));
  auto tests = pair_tests(Study(cells), "standard", 50);
  for (auto& t : tests) {
    if (t.comparison.family == "mAP") CHECK(std::isnan(t.anova_p));
    t.hedges_g = std::copysign(NAN, -1.0);  // as some CPUs have it
  }
  CHECK_THAT(tests_csv(tests), ContainsSubstring(",nan,") && !ContainsSubstring("-nan"));
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

TEST_CASE("the paper's means and what its scenarios keep follow from its runs",
          "[report][paper_means][golden]") {
  const Study study(paper_cells(paper()));
  const auto& map = metric("robust_AP50");
  for (const auto& row : kPaperMeans)
    for (const auto ratio : kPaperRatios) {
      CAPTURE(row.scenario, ratio);
      CHECK(paper_map(row.scenario, ratio) ==
            Catch::Approx(mean(study.values(row.scenario, ratio, "paper", map))).epsilon(1e-9));
    }
  CHECK(*paper_retention("unstructured_deeplift", "50") == Catch::Approx(0.88).margin(0.005));
  CHECK(*paper_retention("structured_hydra", "90") == Catch::Approx(0.32).margin(0.005));
  // Its structured scenarios are kernels to its author, filters to us.
  CHECK(paper_retention("kernel_hydra", "90") == paper_retention("structured_hydra", "90"));
  CHECK_FALSE(paper_retention("unstructured_magnitude", "50"));
  CHECK_FALSE(paper_retention("structured_hydra", "60"));
}

TEST_CASE("what is kept is each run's part of its own whole", "[report][study]") {
  auto cells = test::some_cells();
  for (auto& cell : cells)
    if (cell.run == 3 && cell.ratio == "0") cell.robust_ap50 = 0;  // a part of nothing is none
  const Study study(cells);
  const auto& kept = metric("retention_robust_AP50");
  REQUIRE(study.has(kept.id));
  const auto whole = study.values("structured_hydra", "0", "paper", kept);
  CHECK(whole == std::vector<double>{1, 1});
  const auto half = study.values("structured_hydra", "50", "paper", kept);
  REQUIRE(half.size() == 2);
  CHECK(half[0] == Catch::Approx(0.36 / 0.61));
  std::erase_if(cells, [](const auto& c) { return c.ratio == "0"; });
  CHECK_FALSE(Study(cells).has(kept.id));
}

TEST_CASE("of nothing a scenario keeps no part", "[report][glance]") {
  auto cells = test::some_cells();
  for (auto& cell : cells)
    if (cell.scenario == "structured_hydra") cell.robust_ap50 = 0;
  const auto row = [&](std::size_t at) { return glance_table(Study(cells)).rows.at(at); };
  const std::vector<std::string> lost{
      "Structured HYDRA", "0.000 / 0.720", "– / 65 %", "– / 37 %", "–", "–", "–"};
  CHECK(row(1) == lost);
  CHECK(row(0).at(4) == "0 %");
  CHECK(row(0).at(5) == "100 %");
  for (auto& cell : cells) cell.ms_network = 0;
  CHECK(row(0).at(5) == "–");
}

TEST_CASE("the untouched network stands beside the scenarios", "[report][study]") {
  const auto cells = test::with_original(test::some_cells());
  const Study study(cells);
  CHECK(study.scenarios() == Study(test::some_cells()).scenarios());
  CHECK(study.networks() == 18);
  CHECK(study.missing().empty());
  CHECK(study.original("standard", metric("robust_AP50")) == std::vector<double>{0.02, 0.02, 0.02});
  CHECK(study.original("standard", metric("retention_AP50")).empty());
  const auto figure = ratio_figure(study, "t", study.scenarios(), "standard", metric("AP50"));
  REQUIRE(figure.levels.size() == 1);
  CHECK(figure.levels[0].mean == 0.8);
  CHECK(figure.series[0].runs[0].size() == 3);
  CHECK_THAT(figure_csv(figure), ContainsSubstring("Original,0,0.8,"));
  CHECK(glance_table(study).rows[0][0] == "Original");
  CHECK(means_text_table(study, "standard", metric("AP50")).rows[0][1] == "0.800");
  CHECK_THAT(page_html(study), ContainsSubstring("\"original\":{\"standard\""));
  auto alone = cells;
  std::erase_if(alone, [](const auto& c) { return c.scenario != kOriginal; });
  CHECK_THROWS_WITH(Study(alone), ContainsSubstring("the untouched network alone"));
  auto pruned = cells;
  pruned.back().ratio = "50";
  CHECK_THROWS_WITH(Study(pruned), ContainsSubstring("should be at 0 %"));
}

TEST_CASE("claims are judged under both readings of structured, attacked and clean",
          "[report][claims]") {
  // The paper's structured scenarios once as filters, once, 0.05 better, as kernels.
  auto cells = paper_cells(paper());
  const auto count = cells.size();
  for (std::size_t i = 0; i < count; ++i) {
    cells[i].ap50 = cells[i].robust_ap50;
    if (!cells[i].scenario.starts_with("structured_")) continue;
    auto kernel = cells[i];
    kernel.scenario = under(Reading::kKernels, kernel.scenario);
    kernel.granularity = "Kernel";
    kernel.robust_ap50 += kernel.scenario == "kernel_hydra" ? 0.1 : 0;
    cells.push_back(std::move(kernel));
  }
  const Study study(cells);
  const auto tests = pair_tests(study, "paper", 50);
  const auto of = [&](const std::string& table) {
    return std::ranges::count_if(tests, [&](const auto& t) { return t.comparison.table == table; });
  };
  CHECK(of("I") == 36);
  CHECK(of("I kernels") == 36);
  CHECK(of("I clean") == 36);
  CHECK(of("II kernels") == 36);
  const auto claims = paper_claims(study, tests);
  const auto verdict = [&](std::string_view reading, std::string_view measure) {
    const auto found = std::ranges::find_if(claims, [&](const auto& c) {
      return c.text.find("under structured pruning, 50") != std::string::npos &&
             c.reading == reading && c.measure == measure;
    });
    REQUIRE(found != claims.end());
    return found->verdict;
  };
  CHECK(verdict("filters", "AP50 under PGD") == "partly supported");
  CHECK(verdict("kernels", "AP50 under PGD") == "contradicted");
  CHECK(verdict("kernels", "AP50 on clean images") == "partly supported");
  const auto tables = all_tables(study, "paper", tests);
  for (const auto* name : {"table_VII_kernels", "table_XII_kernels", "table_VII_clean_kernels",
                           "table_I_kernels", "retention_beside_paper"})
    CHECK(std::ranges::count(tables, name, &TextTable::name) == 1);
  // Nothing stands in a family of tests twice.
  std::set<std::string> seen;
  for (const auto& t : tests) {
    const auto& c = t.comparison;
    CHECK(seen.insert(c.family + c.table + c.first + c.second + t.ratio).second);
  }
}
