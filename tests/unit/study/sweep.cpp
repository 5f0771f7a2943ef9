#include "serpette/study/sweep.hpp"

#include <ATen/Parallel.h>
#include <atomic>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "serpette/app/dry_run.hpp"
#include "serpette/scenario/suite.hpp"
#include "serpette/study/time_again.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"
#include "support/small_study.hpp"

using namespace serpette;
using Catch::Matchers::ContainsSubstring;
using test::SmallStudy;
using test::timeless;

namespace {

using Time = std::filesystem::file_time_type;

/// When the networks of a study were written.
std::vector<Time> trained(const std::filesystem::path& folder) {
  std::vector<Time> times;
  for (const auto& cell : std::filesystem::directory_iterator(folder / "cells"))
    times.push_back(std::filesystem::last_write_time(cell.path() / "network.weights"));
  return times;
}

/// Stands for an attack that was stopped.
struct Broken {
  static constexpr std::string_view name = "Broken";

  [[nodiscard]] at::Tensor perturb(const Victim&, const at::Tensor&, Generator&) const {
    fail("broken", "should work, got this");
  }
};

}  // namespace

TEST_CASE("a study has a row per cell and profile, and a number per line of its long table",
          "[study][sweep]") {
  const test::Scratch folder;
  SmallStudy study;
  study.scenarios = {"original", "structured_hydra"};
  REQUIRE(study.run(folder.path()) == 0);
  const auto cells = read_cells(folder / "cells.csv");
  REQUIRE(cells.size() == 2 * 3);
  CHECK(cells[0].scenario == "original");
  CHECK(cells[0].score_init == "None");
  CHECK(cells[0].attack == "PGD");
  CHECK(cells[0].ratio == "0");
  CHECK(cells[0].profile == "paper");
  CHECK(cells[0].seconds_pretrain == 0);
  CHECK(cells[1].profile == "standard");
  CHECK(cells[5].score_init == "HYDRA");
  CHECK(cells[5].ratio == "50");
  CHECK(cells[5].parameters < cells[3].parameters);
  CHECK(cells[5].seconds_pretrain > 0);
  const auto numbers = read_evaluations(folder / "evaluations.csv");
  CHECK(numbers.size() == 3 * (2 * 2 * 12 + 2 * 4));
  for (const auto& cell : cells) {
    const auto number = [&](std::string_view attack, std::string_view metric) {
      for (const auto& n : numbers)
        if (n.scenario == cell.scenario && n.ratio == cell.ratio && n.profile == cell.profile &&
            n.attack == attack && n.metric == metric) {
          CHECK(n.epsilon == (attack == "PGD" ? Pgd{}.epsilon : 0));
          return n.value;
        }
      return std::nan("");
    };
    CHECK(number("None", "AP50") == cell.ap50);
    CHECK(number("PGD", "AP50") == cell.robust_ap50);
    CHECK(number("None", "ms_network_mean") > 0);
  }
  // Only what other cells could share is left of the stages.
  std::vector<std::string> left;
  for (const auto& stage : std::filesystem::directory_iterator(folder / "stages")) {
    const auto name = stage.path().filename().string();
    left.push_back(name.substr(0, name.find('-')));
  }
  std::ranges::sort(left);
  CHECK((left == std::vector<std::string>{"finetune", "pretrain", "scores"}));  // of ratio 0
}

TEST_CASE("a changed way of measuring keeps the training and measures anew", "[study][sweep]") {
  const test::Scratch folder;
  SmallStudy study;
  REQUIRE(study.run(folder.path()) == 0);
  const auto networks = trained(folder.path());
  const auto before = read_file(folder / "cells.csv");

  study.budget.evaluate.timing_images = 3;
  CHECK(status_of(folder.path(), study.plan()).text() ==
        "  robust pre-trainings  1 of 1\n"
        "  importance scores     1 of 1\n"
        "  trained networks      2 of 2\n"
        "  evaluations           2 of 2\n"
        "  timings               0 of 2\n");
  REQUIRE(study.run(folder.path()) == 0);
  CHECK(timeless(folder / "cells.csv") ==
        cells_csv(timeless(parse_table(kCellColumns, "before", before))));
  CHECK(read_file(folder / "cells.csv") != before);

  study.budget.evaluate.images = 4;
  CHECK(status_of(folder.path(), study.plan()).evaluated.there == 0);
  REQUIRE(study.run(folder.path()) == 0);
  CHECK((trained(folder.path()) == networks));
  const auto in_place = timeless(folder / "cells.csv");

  const test::Scratch fresh;
  REQUIRE(study.run(fresh.path()) == 0);
  CHECK(in_place == timeless(fresh / "cells.csv"));
}

TEST_CASE("a suite of attacks measures the networks that are there, and goes on where it was",
          "[study][suite]") {
  const test::Scratch folder;
  SmallStudy study;
  study.scenarios = {"original", "structured_hydra"};
  REQUIRE(study.run(folder.path()) == 0);
  const auto networks = trained(folder.path());
  const auto cells = read_file(folder / "cells.csv"),
             numbers = read_file(folder / "evaluations.csv");

  study.suite = robustness_suite({.steps = 4, .restarts = 1, .queries = 5}, true);
  std::erase_if(study.suite,
                [](const Trial& t) { return t.id.starts_with("tog") || t.id == "cw"; });
  const auto asked = study.suite;
  CHECK(status_of(folder.path(), study.plan())
            .text()
            .ends_with("  timings               3 of 3\n  suites of attacks     0 of 3\n"));
  // Stopped in the middle: an attack that fails stands for it.
  study.suite.back().attack = ChosenAttack::of(Broken{}, study.suite.back().attack.label);
  study.suite.back().attack.settings = asked.back().attack.settings;
  CHECK(study.run(folder.path()) > 0);
  std::map<std::filesystem::path, Time> kept;
  for (const auto& file : std::filesystem::recursive_directory_iterator(folder / "cells"))
    if (file.path().filename() == "seal.txt") kept[file.path()] = file.last_write_time();
  CHECK(kept.size() >= 2 * (asked.size() - 2));
  study.suite = asked;
  study.retry_failed = true;
  REQUIRE(study.run(folder.path()) == 0);

  // Nothing else changed: networks, their numbers, their times.
  CHECK((trained(folder.path()) == networks));
  CHECK(read_file(folder / "cells.csv") == cells);
  const auto rows = read_evaluations(folder / "evaluations.csv");
  std::vector<EvaluationRow> of_cells, of_suite;
  std::set<std::string> attacks;
  for (const auto& row : rows) {
    const bool own =
        row.attack == "PGD" ||
        (row.attack == "None" && row.metric != "placed" && row.metric != "AP50_places" &&
         row.metric != "rightly_named" && row.metric != "vanished_gradients");
    (own ? of_cells : of_suite).push_back(row);
    if (!own) attacks.insert(row.scenario + " " + row.attack);
  }
  CHECK(evaluations_csv(of_cells) == numbers);
  const auto has = [&](const char* name) { return attacks.contains(name); };
  for (const char* name :
       {"structured_hydra PGD-4", "structured_hydra APGD", "structured_hydra Square",
        "structured_hydra Transfer", "structured_hydra Worst case", "original Worst case"})
    CHECK(has(name));
  CHECK_FALSE(has("original Transfer"));
  // The same as at once, and as of one's own that never stopped.
  CHECK(status_of(folder.path(), study.plan()).suites.there == 3);
  CHECK(std::filesystem::exists(folder / "cells" / "original-run1-ratio0" / "suite.csv"));
  CHECK_FALSE(std::filesystem::exists(folder / "cells" / "original-run1-ratio0" / "suite"));
  const test::Scratch fresh;
  study.retry_failed = false;
  REQUIRE(study.run(fresh.path()) == 0);
  const auto timeless_rows = [](const std::filesystem::path& file) {
    auto all = read_evaluations(file);
    std::erase_if(all, [](const auto& row) { return row.metric.starts_with("ms_"); });
    return evaluations_csv(all);
  };
  CHECK(timeless_rows(folder / "evaluations.csv") == timeless_rows(fresh / "evaluations.csv"));
  // Without it, the study is what it was.
  study.suite.clear();
  REQUIRE(study.run(folder.path()) == 0);
  CHECK(read_file(folder / "evaluations.csv") == numbers);
}

TEST_CASE("an attack of the suite that is the scenario's too has rows of its own",
          "[study][suite]") {
  const test::Scratch folder;
  SmallStudy study;
  study.ratios = {Ratio()};
  study.suite = {Trial{"pgd", ChosenAttack::of(Pgd{}), Access::kGradient, Pgd{}.steps, 5.0}};
  REQUIRE(study.run(folder.path()) == 0);
  std::set<std::string> numbers;
  for (const auto& row : read_evaluations(folder / "evaluations.csv")) {
    const auto name = fmt::format("{} {} {} {} {}", row.scenario, row.attack, row.epsilon,
                                  row.profile, row.metric);
    INFO(name);
    CHECK(numbers.insert(name).second);
  }
  CHECK(numbers.contains("structured_hydra PGD 0.05 standard AP50"));
  CHECK(numbers.contains("structured_hydra PGD (suite) 0.05 standard AP50"));
}

TEST_CASE(
    "a cell that failed under a suite is tried again under another, and what was finished of the "
    "first is kept",
    "[study][suite]") {
  const test::Scratch folder;
  SmallStudy study;
  study.ratios = {Ratio::percent(50)};
  study.suite = robustness_suite({.steps = 2, .restarts = 1, .queries = 3}, true);
  std::erase_if(study.suite, [](const Trial& t) {
    return t.access != Access::kNone && t.id != "apgd" && t.id != "square";
  });
  REQUIRE(study.suite.size() == 3);
  study.suite.back().attack = ChosenAttack::of(Broken{}, study.suite.back().attack.label);
  CHECK(study.run(folder.path()) == 1);
  CHECK(CellFiles(folder.path(), study.plan().front()).failure().has_value());
  const auto seals = [&] {
    std::map<std::filesystem::path, Time> times;
    for (const auto& file : std::filesystem::recursive_directory_iterator(folder / "cells"))
      if (file.path().filename() == "seal.txt") times[file.path()] = file.last_write_time();
    return times;
  };
  const auto kept = seals();
  REQUIRE(kept.size() == 1);
  // Another attack in its place, which fails too: the first is not made again.
  study.suite.back().attack.settings += ", of other settings";
  CHECK_FALSE(CellFiles(folder.path(), study.plan().front()).failure().has_value());
  CHECK(study.run(folder.path()) == 1);
  CHECK((seals() == kept));
  // Without a suite nothing is left to do.
  study.suite.clear();
  CHECK(study.run(folder.path()) == 0);
}

TEST_CASE("another training is refused, naming what changed and what would hold",
          "[study][sweep]") {
  const test::Scratch folder;
  SmallStudy study;
  REQUIRE(study.run(folder.path()) == 0);
  study.budget.finetune.steps = 3;
  CHECK_THROWS_WITH(study.run(folder.path()),
                    ContainsSubstring("--finetune-steps: 2 there, 3 here") &&
                        ContainsSubstring("robust pre-trainings  1 of 1") &&
                        ContainsSubstring("trained networks      0 of 2"));
}

TEST_CASE("what was damaged in a finished cell is noticed and made anew", "[study][cell_files]") {
  const test::Scratch folder;
  SmallStudy study;
  study.ratios = {Ratio::percent(50)};
  REQUIRE(study.run(folder.path()) == 0);
  const auto cell = folder / "cells" / "structured_hydra-run1-ratio50";
  const auto before = timeless(folder / "cells.csv");
  const auto change = [&](const char* file, const std::function<void(std::string&)>& damage) {
    auto bytes = read_file(cell / file);
    damage(bytes);
    write_file(cell / file, bytes);
  };
  const auto empty = [](std::string& s) { s.clear(); };
  const auto half = [](std::string& s) { s.resize(s.size() / 2); };
  const auto digit = [](std::string& s) {
    const auto at =
        s.find("\nstructured_hydra") + s.substr(s.find("\nstructured_hydra")).find("0.");
    s[at + 2] = s[at + 2] == '9' ? '8' : '9';
  };
  const auto letter = [](std::string& s) { s[s.rfind("0.") + 2] = 'x'; };
  for (const auto& [file, damage] :
       std::vector<std::pair<const char*, std::function<void(std::string&)>>>{
           {"network.weights", empty},
           {"network.weights", half},
           {"network.cfg", half},
           {"cells.csv", digit},
           {"cells.csv", letter},
           {"cells.csv", empty},
           {"evaluations.csv", digit},
           {"detections.csv", half},
           {"measured.txt", half},
           {"measured.txt", letter},
           {"trained.txt", half},
           {"trained.txt", digit},
           {"trained.txt", empty}}) {
    CAPTURE(file);
    if (std::string_view(file) == "trained.txt" &&
        read_file(cell / file).find("\nstruct") == std::string::npos)
      change(file, half);
    else
      change(file, damage);
    CHECK_FALSE(CellFiles(folder.path(), study.plan().front()).finished());
    CHECK(study.run(folder.path()) == 0);
    CHECK(timeless(folder / "cells.csv") == before);
  }
  CHECK(load_class_names(cell / "network.names").size() ==
        study.experiment().test.instances().categories.size());
  // The same size, another weight: noticed when it is used.
  change("network.weights", [](std::string& s) { s[s.size() / 2] ^= 1; });
  study.budget.evaluate.timing_images = 3;
  CHECK(study.run(folder.path()) == 0);
  CHECK(timeless(folder / "cells.csv") == before);
}

TEST_CASE("networks timed again keep all numbers but their times", "[study][time_again]") {
  const test::Scratch folder;
  const SmallStudy study;
  REQUIRE(study.run(folder.path()) == 0);
  const auto before = timeless(folder / "cells.csv");
  {
    const auto store = study.open(folder.path());
    Silent silent;
    CHECK(time_again(study.plan(), study.experiment(), store, silent, SmallStudy::dispatch) == 0);
    write_tables(store, study.plan());
  }
  CHECK(timeless(folder / "cells.csv") == before);
  CHECK(status_of(folder.path(), study.plan()).timed.there == 2);
}

TEST_CASE("a run that ends while it replaces times has lost them, and no evaluation",
          "[study][time_again]") {
  const test::Scratch folder;
  const SmallStudy study;
  REQUIRE(study.run(folder.path()) == 0);
  const auto before = timeless(folder / "cells.csv");
  const CellFiles cell(folder.path(), study.plan().front());
  const auto found = std::filesystem::last_write_time(cell.folder() / "detections.csv");
  for (const char* table : {"evaluations.csv", "cells.csv"}) {
    // A link to a file of so long a name that no temporary one fits beside it: it cannot be
    // written.
    const auto place = cell.folder() / table, full = cell.folder() / std::string(250, 'x');
    std::filesystem::rename(place, full);
    std::filesystem::create_symlink(full.filename(), place);
    CHECK_THROWS_AS(cell.write(InferenceTime{}, InferenceTime{}), Unwritable);
    std::filesystem::rename(full, place);
    CHECK(cell.evaluated());
    CHECK_FALSE(cell.timed());
  }
  CHECK(study.run(folder.path()) == 0);
  CHECK(cell.timed());
  CHECK(std::filesystem::last_write_time(cell.folder() / "detections.csv") == found);
  CHECK(timeless(folder / "cells.csv") == before);
}

TEST_CASE(
    "a cell that fails says why, is left alone, and is tried again on request or when what it "
    "depends on has changed",
    "[study][sweep]") {
  const test::Scratch folder;
  SmallStudy study;
  study.ratios = {Ratio::percent(50)};
  study.budget.finetune.learning_rate = 1e30;
  CHECK(study.run(folder.path()) == 1);
  CHECK_THAT(CellFiles(folder.path(), study.plan().front()).failure().value(),
             ContainsSubstring("finite"));
  CHECK(study.run(folder.path()) == 1);
  CHECK(status_of(folder.path(), study.plan()).trained.there == 0);
}

TEST_CASE("a worker that starts late waits while another has the machine to itself",
          "[study][workers]") {
  Turnstile turnstile;
  turnstile.enter();
  std::atomic<bool> entered = false;
  std::jthread late;
  {
    const Turnstile::Alone alone(turnstile);
    late = std::jthread([&] {
      turnstile.enter();
      entered = true;
      turnstile.leave();
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    CHECK_FALSE(entered);
  }
  late.join();
  CHECK(entered);
  turnstile.leave();
}

TEST_CASE("a worker is a thread, and the caller's threads come back", "[study][workers]") {
  const int before = at::get_num_threads();
  for (const int count : {1, 2}) {
    Turnstile turnstile;
    std::atomic<int> most = 0, jobs = 0;
    in_parallel({count, 1}, 8, turnstile, [&](std::size_t) {
      most = std::max<int>(most, at::get_num_threads());
      ++jobs;
    });
    CHECK(most == 1);
    CHECK(jobs == 8);
  }
  CHECK(at::get_num_threads() == before);
}

TEST_CASE("a moment does not tell what others do to the machine", "[study]") {
  CHECK(OtherLoad().cores() == 0);
}

TEST_CASE("a dry run times a step, not the statistics that are taken before the first",
          "[study][dry_run]") {
  struct Counting : test::NoiseData {
    using test::NoiseData::NoiseData;
    [[nodiscard]] ImageBatch augmented(std::span<const std::int64_t> indices, Seed seed) const {
      ++made;
      return test::NoiseData::augmented(indices, seed);
    }
    mutable std::atomic<int> made = 0;
  };
  const Counting data(8, 1);
  const test::NoiseData tested(4, 2);
  auto budget = SmallStudy().budget;
  budget.finetune.statistics_images = 1000;
  const Experiment lab(test::TinyDetector(), data, tested, budget, Seed(5));
  const ErasedScenario scenario{Scenario<Hydra, Filter, Pgd, Rgb>{}};
  CHECK(cli::seconds_of_step(scenario, lab) > 0);
  CHECK(data.made < 20);  // two steps, and what the loader makes ahead
}
