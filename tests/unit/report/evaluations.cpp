#include "serpette_report/evaluations.hpp"

#include "serpette/io/read_file.hpp"
#include "serpette_report/report.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"
#include "unit/report/support.hpp"

using namespace serpette;
using Catch::Matchers::ContainsSubstring;

namespace {

/// Two attacks, one of them at three strengths, on some_cells(): at 0 % on all, at 90 % on one.
std::vector<EvaluationRow> some_evaluations() {
  std::vector<EvaluationRow> rows;
  for (const std::string scenario : {"original", "structured_hydra", "unstructured_deeplift"})
    for (int run = 1; run <= 3; ++run)
      for (const std::string ratio : {"0", "90"}) {
        if (ratio == "90" && scenario != "structured_hydra") continue;
        const double whole = (ratio == "0" ? 0.6 : 0.3) + 0.01 * run;
        const auto add = [&](const std::string& attack, double epsilon, double value) {
          rows.push_back({scenario, run, ratio, attack, epsilon, "standard", "AP50", value});
          rows.push_back({scenario, run, ratio, attack, epsilon, "standard", "AP75", value / 2});
          rows.push_back({scenario, run, ratio, attack, epsilon, "paper", "AP50", value / 3});
        };
        add("None", 0, whole);
        add("PGD", 0.05, whole - 0.3);
        add("Square", 0.05, run == 1 ? whole - 0.31 : whole - 0.2);
        if (ratio == "0") add("PGD", 0.02, whole - 0.1), add("PGD", 0.1, whole - 0.5);
      }
  return rows;
}

std::vector<std::string> remarks_of(const std::vector<EvaluationRow>& rows, const Study& study) {
  return masking_remarks(Evaluations(rows, study, "standard"),
                         Evaluations(rows, study, "standard", "vanished_gradients"));
}

}  // namespace

TEST_CASE("attacks stand side by side at their usual strength, and the worst of each run",
          "[report][evaluations]") {
  const Study study(test::with_original(test::some_cells()));
  const Evaluations evaluations(some_evaluations(), study, "standard");
  REQUIRE(evaluations.attacks() == std::vector<AttackAt>{{"PGD", 0.05}, {"Square", 0.05}});
  CHECK(evaluations.budgets("PGD") == std::vector<double>{0.02, 0.05, 0.1});
  const auto worst = evaluations.worst("structured_hydra", "0");
  REQUIRE(worst.size() == 3);
  CHECK(worst[0] == Catch::Approx(0.3));   // Square's
  CHECK(worst[1] == Catch::Approx(0.32));  // PGD's
  const auto table = attacks_table(evaluations);
  CHECK(table.header == std::vector<std::string>{"Scenario", "Pruned", "clean", "PGD, ε 0.05",
                                                 "Square, ε 0.05", "worst"});
  REQUIRE(table.rows.size() == 4);
  CHECK(table.rows[0] ==
        std::vector<std::string>{"Original", "0 %", "0.620", "0.320", "0.383", "0.317"});
  CHECK(table.rows[3][1] == "90 %");
  const auto budgets = budgets_table(evaluations, "PGD");
  REQUIRE(budgets.rows.size() == 3);
  CHECK(budgets.rows[1] == std::vector<std::string>{"Unstructured DeepLIFT", "0 %", "0.620",
                                                    "0.520", "0.320", "0.120"});
  CHECK(budgets_table(evaluations, "Square").rows.empty());
  const auto figure = budgets_figure(evaluations, "PGD");
  REQUIRE(figure.series.size() == 3);
  CHECK(figure.series[0].x == std::vector<double>{0, 0.02, 0.05, 0.1});
  CHECK(figure.series[2].label == "Original");
  auto pruned = some_evaluations();  // at 90 %, too, at two strengths
  for (int run = 1; run <= 3; ++run)
    pruned.push_back({"structured_hydra", run, "90", "PGD", 0.1, "standard", "AP50", 0.01});
  const auto both = budgets_figure(Evaluations(pruned, study, "standard"), "PGD");
  REQUIRE(both.series.size() == 4);
  CHECK(both.series[2].label == "Structured HYDRA, 90 %");
  CHECK(both.series[2].x == std::vector<double>{0, 0.05, 0.1});
  CHECK(both.series[2].style.hue == both.series[1].style.hue);
  CHECK(worst_figure(evaluations).series.size() == 1);  // one scenario has two ratios
  CHECK(worst_figure(evaluations).levels.size() == 1);
  CHECK(remarks_of(some_evaluations(), study).empty());
}

TEST_CASE("a curve's strengths are in no worst case and beside no attack of the suite",
          "[report][evaluations]") {
  const Study study(test::with_original(test::some_cells()));
  auto rows = some_evaluations();
  for (const double epsilon : {0.1, 0.2})  // beyond the ball of all others
    for (int run = 1; run <= 3; ++run)
      rows.push_back({"structured_hydra", run, "0", "PGD-20 curve", epsilon, "standard", "AP50",
                      0.02 - epsilon / 20});
  const Evaluations evaluations(rows, study, "standard");
  CHECK(evaluations.worst("structured_hydra", "0") ==
        Evaluations(some_evaluations(), study, "standard").worst("structured_hydra", "0"));
  CHECK(attacks_table(evaluations).header == std::vector<std::string>{"Scenario", "Pruned", "clean",
                                                                      "PGD, ε 0.05",
                                                                      "Square, ε 0.05", "worst"});
  CHECK(parts_table(evaluations, "n", "t").header.size() == 5);
  CHECK(budgets_table(evaluations, "PGD-20 curve").rows.size() == 1);
  CHECK(budgets_figure(evaluations, "PGD-20 curve").series.size() == 1);
}

TEST_CASE("an AP50 that rises with the attack's strength is called a sign of a failing attack",
          "[report][evaluations]") {
  const Study study(test::with_original(test::some_cells()));
  auto rows = some_evaluations();
  for (auto& row : rows)
    if (row.epsilon == 0.1 && row.scenario == "structured_hydra") row.value += 0.3;
  const auto remarks = remarks_of(rows, study);
  REQUIRE(remarks.size() == 1);
  CHECK_THAT(remarks[0],
             ContainsSubstring("Structured HYDRA at 0 %: AP50 under PGD rises from 0.320 at ε 0.05 "
                               "to 0.420"));
}

TEST_CASE("attacks that see no gradient and find more are called a sign of masking",
          "[report][evaluations]") {
  const Study study(test::with_original(test::some_cells()));
  auto rows = some_evaluations();
  for (auto& row : rows)
    if (row.attack == "Square" && row.scenario == "structured_hydra" && row.ratio == "0")
      row.value -= 0.2;
  const auto remarks = remarks_of(rows, study);
  REQUIRE(remarks.size() == 1);
  CHECK_THAT(remarks[0], ContainsSubstring("Structured HYDRA at 0 %: Square, which sees no "
                                           "gradient, leaves AP50 0.183") &&
                             ContainsSubstring("(PGD) leaves 0.320"));
  // The worst case of each image is no attack that finds more.
  for (auto& row : rows)
    if (row.attack == "Square") row.attack = "Worst case";
  CHECK(remarks_of(rows, study).empty());
}

TEST_CASE("places and names have tables of their own, and vanished gradients a word",
          "[report][evaluations]") {
  const Study study(test::with_original(test::some_cells()));
  auto rows = some_evaluations();
  const auto all = rows;
  for (const auto& row : all) {
    if (row.metric != "AP50" || row.profile != "standard" || row.epsilon == 0.1) continue;
    rows.push_back(row);
    rows.back().metric = "AP50_places";
    rows.push_back(row);
    rows.back().metric = "rightly_named";
    if (row.attack == "Square") rows.back().value = -1;  // nothing is placed
    if (row.attack != "None") continue;
    rows.push_back(row);
    rows.back().metric = "vanished_gradients";
    rows.back().value = row.scenario == "structured_hydra" && row.ratio == "90" ? 0.5 : 0;
  }
  const Evaluations names(rows, study, "standard", "rightly_named");
  const auto table = parts_table(names, "names", "Names");
  CHECK(table.header == std::vector<std::string>{"Scenario", "Pruned", "clean", "PGD, ε 0.05"});
  REQUIRE(table.rows.size() == 4);
  CHECK(table.rows[0] == std::vector<std::string>{"Original", "0 %", "0.620", "0.320"});
  const auto remarks = remarks_of(rows, study);
  REQUIRE(remarks.size() == 1);
  CHECK_THAT(remarks[0], ContainsSubstring("Structured HYDRA at 90 %") &&
                             ContainsSubstring("on 50 % of the images"));
  const auto part = serpette::detail::attacks_part(rows, study, "standard");
  CHECK(part.tables.at(1).name == "attacks_places");
  CHECK(part.tables.at(2).name == "attacks_names");
  CHECK_THAT(part.section.html, ContainsSubstring("Signs of masked gradients") &&
                                    ContainsSubstring("on 50 % of the images"));
  CHECK_THAT(serpette::detail::attacks_part(some_evaluations(), study, "standard").section.html,
             ContainsSubstring("No sign of masked gradients"));
}

TEST_CASE("evaluations that fit no cell, stand twice or are no fraction are refused",
          "[report][evaluations]") {
  const Study study(test::with_original(test::some_cells()));
  const auto refused = [&](auto change, const std::string& why) {
    auto rows = some_evaluations();
    change(rows);
    CHECK_THROWS_WITH(Evaluations(rows, study, "standard", "AP50", "out/evaluations.csv"),
                      ContainsSubstring("out/evaluations.csv: ") && ContainsSubstring(why));
  };
  refused([](auto& r) { r[0].ratio = "25"; }, "of cells that the study has");
  refused([](auto& r) { r.push_back(r[0]); }, "each number once");
  refused([](auto& r) { r[0].value = 1.5; }, "a fraction in [0, 1]");
}

TEST_CASE("a report shows what evaluations.csv adds", "[report][evaluations]") {
  const test::Scratch folder;
  ReportOptions options;
  options.pictures = false;
  options.evaluations = some_evaluations();
  const auto page =
      write_report(test::with_original(test::some_cells()), folder / "r", options).page;
  CHECK_THAT(read_file(page), ContainsSubstring("Other attacks, other strengths") &&
                                  ContainsSubstring("AP50 by the strength of PGD"));
  CHECK(read_file(folder / "r/tables/attacks.csv").starts_with("Scenario,Pruned,clean,"));
  CHECK(std::filesystem::exists(folder / "r/figures/budgets_1.svg"));
  CHECK(std::filesystem::exists(folder / "r/figures/worst_attack.csv"));
}
