#include "serpette/method/run_cell.hpp"

#include <atomic>
#include <fstream>
#include <set>

#include "serpette/attack/no_attack.hpp"
#include "serpette/attack/pgd.hpp"
#include "serpette/color/greyscale_rec601.hpp"
#include "serpette/color/rgb.hpp"
#include "serpette/prune/filter.hpp"
#include "serpette/prune/weight.hpp"
#include "serpette/score/hydra.hpp"
#include "serpette/score/magnitude.hpp"
#include "serpette/score/snip.hpp"
#include "support/catch.hpp"
#include "support/noise_data.hpp"
#include "support/tiny_detector.hpp"

using namespace serpette;
using test::NoiseData;
using test::TinyDetector;

namespace {

struct Folder {
  std::filesystem::path path = std::filesystem::temp_directory_path() /
                               fmt::format("serpette-driver-{}-{}", ::getpid(), count++);
  ~Folder() { std::filesystem::remove_all(path); }
  static inline int count = 0;
};

constexpr Budget kBudget{
    .pretrain = {.steps = 2, .batch_size = 2, .learning_rate = 1e-3},
    .scores = {.steps = 2, .batch_size = 2},
    .finetune = {.steps = 2, .batch_size = 2, .learning_rate = 1e-3},
    .score_images = 4,
    .evaluate = {.batch_size = 2, .images = 3, .timing_images = 2, .timing_warmup = 1}};

struct Lab {
  NoiseData train{8, 1}, test{4, 2};
  Experiment<TinyDetector, NoiseData, NoiseData> experiment{TinyDetector(), train,    test, kBudget,
                                                            Seed(5),        at::kCPU, "lab"};
  Silent silent;

  template <class S>
  CellResult<TinyDetector> run(const Store& store, Ratio ratio, const S& scenario = {},
                               int number = 1) {
    return run_cell(scenario, experiment, store, {"s", number, ratio}, silent);
  }
};

/// A row without what a clock measured.
std::string timeless(CellRow row) {
  row.ms_input = row.ms_network = row.ms_post = row.ms_total = 0;
  row.seconds_pretrain = row.seconds_scores = row.seconds_finetune = 0;
  std::erase_if(row.details, [](const auto& d) { return d.first.starts_with("ms_"); });
  return cells_csv(std::span(&row, 1)) + details_csv(std::span(&row, 1));
}

/// Checks what it is given, and scores by magnitude.
struct TwinScore {
  static constexpr std::string_view name = "Twins";
  [[nodiscard]] bool needs_twins() const { return true; }
  template <Detector D>
  [[nodiscard]] ScoreMap score_all(D& detector, const BatchStream& batches, Generator&) const {
    const auto images = batches[0].images;
    const auto n = images.size(0) / 2;
    require(images.size(0) == 2 * n && n == 4, name, "should see 4 pairs, got {} images",
            images.size(0));
    const auto change = (images.narrow(0, n, n) - images.narrow(0, 0, n)).abs();
    require(change.max().item<double>() <= 0.05 + 1e-6 &&
                change.flatten(1).amax(1).min().item<double>() > 0.01,
            name, "twins should differ by the attack");
    ScoreMap scores;
    for (const int i : detector.graph().convolutions())
      scores.push_back(detector.layer(i).weight.detach().clone());
    return scores;
  }
};

using StructuredHydraTest = Scenario<Hydra, Filter, Pgd, Rgb>;

}  // namespace

TEST_CASE("a resumed cell, a fresh one and one with a lost stage have the same bytes",
          "[pipeline][driver]") {
  Lab lab;
  Folder a, b;
  const Store store(a.path, "x"), other(b.path, "x");
  const auto first = lab.run<StructuredHydraTest>(store, Ratio::percent(50));
  const auto resumed = lab.run<StructuredHydraTest>(store, Ratio::percent(50));
  const auto fresh = lab.run<StructuredHydraTest>(other, Ratio::percent(50));
  for (const auto& entry : std::filesystem::directory_iterator(a.path / "stages"))
    if (entry.path().filename().string().starts_with("finetune"))
      std::filesystem::remove(entry.path());
  const auto partly = lab.run<StructuredHydraTest>(store, Ratio::percent(50));
  REQUIRE(first.rows.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(timeless(first.rows[i]) == timeless(resumed.rows[i]));
    CHECK(timeless(first.rows[i]) == timeless(fresh.rows[i]));
    CHECK(timeless(first.rows[i]) == timeless(partly.rows[i]));
  }
  CHECK((first.clean == fresh.clean));
  CHECK((first.attacked == fresh.attacked));
}

TEST_CASE("runs differ, and ratios of a run share its pre-training", "[pipeline][driver]") {
  Lab lab;
  Folder folder;
  const Store store(folder.path, "x");
  const auto one = lab.run<StructuredHydraTest>(store, Ratio::percent(0));
  const auto two = lab.run<StructuredHydraTest>(store, Ratio::percent(0), {}, 2);
  CHECK((one.clean != two.clean));
  lab.run<StructuredHydraTest>(store, Ratio::percent(50));
  int pretrainings = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path / "stages"))
    pretrainings += entry.path().filename().string().starts_with("pretrain");
  CHECK(pretrainings == 2);
}

TEST_CASE("removed filters make the network smaller, removed weights do not",
          "[pipeline][driver]") {
  Lab lab;
  Folder folder;
  const Store store(folder.path, "x");
  const auto full = parameters(lab.experiment.pretrained.graph());
  const auto structured = lab.run<Scenario<Magnitude, Filter, Pgd, Rgb>>(store, Ratio::percent(50));
  const auto unstructured =
      lab.run<Scenario<Magnitude, Weight, Pgd, Rgb>>(store, Ratio::percent(50));
  CHECK(structured.rows[0].parameters < full);
  CHECK(unstructured.rows[0].parameters == full);
  CHECK(unstructured.rows[0].weights_kept < full);
}

TEST_CASE("a finished cell leaves only what other cells share", "[pipeline][driver]") {
  Lab lab;
  Folder folder;
  const Store store(folder.path, "x");
  const CellId id{"s", 1, Ratio::percent(50)};
  (void)lab.run<StructuredHydraTest>(store, id.ratio);
  drop_cell_stages(StructuredHydraTest{}, lab.experiment, store, id);
  std::set<std::string> left;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path / "stages")) {
    const auto name = entry.path().filename().string();
    left.insert(name.substr(0, name.find('-')));
  }
  CHECK((left == std::set<std::string>{"pretrain", "scores"}));
}

TEST_CASE("a score that asks for twins gets the clean images with their attacked twins behind",
          "[pipeline][driver]") {
  Lab lab;
  Folder folder;
  const Store store(folder.path, "x");
  CHECK(lab.run<Scenario<TwinScore, Weight, Pgd, GreyscaleRec601>>(store, Ratio::percent(25))
            .rows.size() == 2);
  CHECK_THROWS_WITH(
      (lab.run<Scenario<TwinScore, Weight, NoAttack, Rgb>>(store, Ratio::percent(25))),
      Catch::Matchers::ContainsSubstring("should have an attack"));
}

TEST_CASE("what is timed is the deployed network", "[pipeline][timing]") {
  Lab lab;
  int made = 0, runs = 0;
  lab.experiment.deploy = [&](const TinyDetector& detector) -> Deployed {
    ++made;
    return [&runs, network = detector.frozen()](const at::Tensor& images) mutable {
      CHECK(images.size(0) == 1);
      ++runs;
      return network.forward(images);
    };
  };
  Folder folder;
  const Store store(folder.path, "x");
  const auto rows = lab.run<StructuredHydraTest>(store, Ratio::percent(50)).rows;
  CHECK(made == 1);
  CHECK(runs == kBudget.evaluate.timing_images + kBudget.evaluate.timing_warmup);
  CHECK(rows[0].ms_network == rows[1].ms_network);
  CHECK(rows[0].ms_input > 0);
}

TEST_CASE("without an attack the robust numbers are the clean ones", "[pipeline][driver]") {
  Lab lab;
  Folder folder;
  const Store store(folder.path, "x");
  const auto result =
      lab.run<Scenario<Snip, Weight, NoAttack, GreyscaleRec601>>(store, Ratio::percent(25));
  for (const auto& row : result.rows) {
    CHECK(row.ap == row.robust_ap);
    CHECK(row.ap50 == row.robust_ap50);
  }
  CHECK(result.rows[0].profile == "paper");
  CHECK(result.rows[1].profile == "standard");
}

TEST_CASE("a folder holds one configuration and one process", "[pipeline][store]") {
  Folder folder;
  {
    const Store store(folder.path, "seed: 1\n");
    CHECK_THROWS_WITH(Store(folder.path, "seed: 1\n"),
                      Catch::Matchers::ContainsSubstring("works in it"));
  }
  CHECK_THROWS_WITH(Store(folder.path, "seed: 2\n"),
                    Catch::Matchers::ContainsSubstring("expected: seed: 2") &&
                        Catch::Matchers::ContainsSubstring("found:    seed: 1"));
  CHECK_NOTHROW(Store(folder.path, "seed: 1\n"));
}

TEST_CASE("a damaged checkpoint is computed anew", "[pipeline][store]") {
  Folder folder;
  const Store store(folder.path, "x");
  const auto compute = [] { return std::vector{at::ones({3})}; };
  store.stage("pretrain", "key", compute);
  const auto again = store.stage("pretrain", "key", [&]() -> std::vector<at::Tensor> {
    FAIL("computed twice");
    return {};
  });
  CHECK(at::equal(again.tensors.at(0), at::ones({3})));
  const auto file = std::filesystem::directory_iterator(folder.path / "stages")->path();
  const auto whole = read_file(file);
  for (const auto& damaged : {whole.substr(0, 100), std::string(), [&] {
                                auto bytes = whole;  // one bit of a weight
                                bytes[bytes.find("\x80\x3f") + 1] ^= 1;
                                return bytes;
                              }()}) {
    write_file(file, damaged);
    CHECK(at::equal(store.stage("pretrain", "key", compute).tensors.at(0), at::ones({3})));
    CHECK(std::filesystem::file_size(file) == whole.size());
  }
}

TEST_CASE("settings make the key of a cell", "[core][settings_text]") {
  CHECK(settings_text(Pgd{}) != settings_text(Pgd{.epsilon = 0.1}));
  CHECK(settings_text(Pgd{}) != settings_text(Pgd{.aim = {.box = 2}}));
  CHECK(settings_text(Hydra{}) != settings_text(Hydra{.optimizer = {.learning_rate = 0.2}}));
  CHECK(settings_text(StructuredHydraTest{}) == settings_text(StructuredHydraTest{}));
}

TEST_CASE("the loader gives the same batches whatever the number of threads",
          "[pipeline][loader]") {
  const NoiseData data(7, 3);
  Loader<NoiseData> one(data, 3, Seed(9), 1), three(data, 3, Seed(9), 3);
  for (int i = 0; i < 12; ++i) {
    const auto a = one.next(), b = three.next();
    CHECK((a.image_ids == b.image_ids));
    CHECK(at::equal(a.images, b.images));
  }
}

TEST_CASE("a batch that cannot be made fails at its turn, not before", "[pipeline][loader]") {
  struct Broken : NoiseData {
    using NoiseData::NoiseData;
    [[nodiscard]] ImageBatch augmented(std::span<const std::int64_t> indices, Seed seed) const {
      require(++made < 3, "data", "should last longer");
      return NoiseData::augmented(indices, seed);
    }
    mutable std::atomic<int> made = 0;
  };
  const Broken data(6, 3);
  Loader<Broken> loader(data, 3, Seed(9), 1);
  CHECK(loader.next().size() == 3);
  CHECK(loader.next().size() == 3);
  CHECK_THROWS_AS(loader.next(), Error);
}

TEST_CASE("every epoch sees every image once", "[pipeline][loader]") {
  const NoiseData data(6, 3);
  Loader<NoiseData> loader(data, 3, Seed(9), 2);
  for (int epoch = 0; epoch < 3; ++epoch) {
    auto a = loader.next().image_ids, b = loader.next().image_ids;
    a.insert(a.end(), b.begin(), b.end());
    std::sort(a.begin(), a.end());
    CHECK((a == std::vector<std::int64_t>{1, 2, 3, 4, 5, 6}));
  }
}

TEST_CASE("a stop request ends a stage between two steps", "[pipeline][driver]") {
  struct Stopper {
    int steps = 0;
    void on_step(std::int64_t, double) { ++steps; }
    [[nodiscard]] bool stop_requested() const { return steps >= 2; }
  };
  Lab lab;
  Folder folder;
  const Store store(folder.path, "x");
  Stopper stopper;
  CHECK_THROWS_AS(
      run_cell(StructuredHydraTest{}, lab.experiment, store, {"s", 1, Ratio::percent(50)}, stopper),
      Interrupted);
  CHECK(stopper.steps == 2);
}
