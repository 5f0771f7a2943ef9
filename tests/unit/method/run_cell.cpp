#include "serpette/method/run_cell.hpp"

#include <algorithm>
#include <atomic>
#include <map>

#include "serpette/attack/no_attack.hpp"
#include "serpette/attack/pgd.hpp"
#include "serpette/color/greyscale_rec601.hpp"
#include "serpette/color/rgb.hpp"
#include "serpette/graph/footprint.hpp"
#include "serpette/prune/filter.hpp"
#include "serpette/prune/weight.hpp"
#include "serpette/score/hydra.hpp"
#include "serpette/score/magnitude.hpp"
#include "serpette/score/snip.hpp"
#include "serpette/study/store.hpp"
#include "support/catch.hpp"
#include "support/noise_data.hpp"
#include "support/scratch.hpp"
#include "support/tiny_detector.hpp"

using namespace serpette;
using test::NoiseData;
using test::TinyDetector;

namespace {

constexpr Budget kBudget{
    .pretrain = {.steps = 2, .batch_size = 2, .learning_rate = 1e-3},
    .scores = {.steps = 2, .batch_size = 2},
    .finetune = {.steps = 2, .batch_size = 2, .learning_rate = 1e-3},
    .score_images = 4,
    .evaluate = {.batch_size = 2, .images = 3, .timing_images = 2, .timing_warmup = 1}};

/// Stages kept in memory: what the driver asks of a store, and no more.
struct MemoryStore {
  template <class Compute, class Waiting>
  StageResult stage(std::string_view name, std::string_view key, Compute&& compute,
                    Waiting&&) const {
    const auto place = std::pair(std::string(name), std::string(key));
    if (const auto found = kept.find(place); found != kept.end()) return found->second;
    return kept[place] = compute();
  }
  [[nodiscard]] std::int64_t count(std::string_view name) const {
    return std::ranges::count_if(kept, [&](const auto& k) { return k.first.first == name; });
  }
  mutable std::map<std::pair<std::string, std::string>, StageResult> kept;
};
static_assert(StageStore<MemoryStore>);

struct Lab {
  NoiseData train{8, 1}, test{4, 2};
  Experiment<TinyDetector, NoiseData, NoiseData> experiment{TinyDetector(), train,   test,
                                                            kBudget,        Seed(5), at::kCPU};
  Silent silent;

  template <class S, class Stages>
  CellResult<TinyDetector> run(const Stages& store, Ratio ratio, const S& scenario = {},
                               int number = 1) {
    return run_cell(scenario, experiment, store, {"s", number, ratio}, silent);
  }
};

void check_equal(const CellResult<TinyDetector>& a, const CellResult<TinyDetector>& b) {
  const auto x = state_of(a.trained.network), y = state_of(b.trained.network);
  REQUIRE(x.size() == y.size());
  for (std::size_t i = 0; i < x.size(); ++i) CHECK(at::equal(x[i], y[i]));
  CHECK((a.measured.clean.detections == b.measured.clean.detections));
  CHECK((a.measured.attacked.detections == b.measured.attacked.detections));
  CHECK(a.measured.clean.standard.numbers() == b.measured.clean.standard.numbers());
  CHECK(a.measured.attacked.paper.numbers() == b.measured.attacked.paper.numbers());
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

TEST_CASE("a resumed cell, a fresh one and one with a lost stage are the same, bit for bit",
          "[method][run_cell]") {
  Lab lab;
  const MemoryStore store;
  const auto first = lab.run<StructuredHydraTest>(store, Ratio::percent(50));
  check_equal(first, lab.run<StructuredHydraTest>(store, Ratio::percent(50)));
  check_equal(first, lab.run<StructuredHydraTest>(NoStore{}, Ratio::percent(50)));
  std::erase_if(store.kept, [](const auto& kept) { return kept.first.first == "finetune"; });
  check_equal(first, lab.run<StructuredHydraTest>(store, Ratio::percent(50)));
}

TEST_CASE("scenarios that train alike share the unpruned network of a run", "[method][run_cell]") {
  Lab lab;
  const MemoryStore store;
  const auto filters = lab.run<StructuredHydraTest>(store, Ratio());
  using Weights = Scenario<Magnitude, Weight, Pgd, Rgb>;
  const auto weights = lab.run<Weights>(store, Ratio());
  CHECK(store.count("finetune") == 1);
  check_equal(filters, weights);
  check_equal(weights, lab.run<Weights>(NoStore{}, Ratio()));
  lab.run<Scenario<Magnitude, Weight, NoAttack, Rgb>>(store, Ratio());
  lab.run<Weights>(store, Ratio::percent(25));
  CHECK(store.count("finetune") == 3);
}

TEST_CASE("rounds score anew what is left, and what is gone stays gone",
          "[method][run_cell][schedule]") {
  Lab lab;
  Rounds cubic{Curve::kCubic, 2};
  const Scenario<Magnitude, Weight, Pgd, Rgb> rounds{.schedule = cubic}, once;
  const auto ratio = Ratio::percent(80), first = cubic.ratios(ratio).front();
  const MemoryStore store;
  const auto found = lab.run(store, ratio, rounds);
  CHECK(store.count("rounds") == 1);
  check_equal(found, lab.run(store, ratio, rounds));  // the stages as they were kept
  check_equal(found, lab.run(NoStore{}, ratio, rounds));
  std::erase_if(store.kept, [](const auto& kept) { return kept.first.first == "finetune"; });
  check_equal(found, lab.run(store, ratio, rounds));
  // The counts are the last round's; what the first round masked is 0 in the end.
  const ErasedScenario erased(rounds);
  const Cell cell(erased, lab.experiment, store, CellId{"s", 1, ratio}, lab.silent);
  auto detector = lab.experiment.pretrained.clone();
  robust_pretraining(cell, detector);
  const auto scores = score_weights(cell, detector);
  const auto mask = make_mask(detector.graph(), scores.tensors, first, Weight{});
  const auto convolutions = detector.graph().convolutions();
  for (std::size_t i = 0; i < convolutions.size(); ++i) {
    const auto weight = LayerParameters(found.trained.network.layer(convolutions[i])).weight;
    CHECK((weight == 0).sum().item<std::int64_t>() >= ratio.count(weight.numel()));
    CHECK_FALSE(weight.ne(0).logical_and(mask[i].weight.logical_not()).any().item<bool>());
  }
  std::int64_t kept = 0;
  for (const auto& layer : make_mask(detector.graph(), scores.tensors, ratio, Weight{}))
    kept += layer.weight.sum().item<std::int64_t>();
  CHECK(found.trained.kept.weights == kept);
  // Two rounds are not one, HYDRA and filters go round too, and at 0 % there is nothing to round.
  CHECK(state_of(found.trained.network)[0].sizes() ==
        state_of(lab.run(NoStore{}, ratio, once).trained.network)[0].sizes());
  const StructuredHydraTest filters{.schedule = cubic};
  check_equal(lab.run(store, Ratio::percent(50), filters),
              lab.run(NoStore{}, Ratio::percent(50), filters));
  const MemoryStore unpruned;
  check_equal(lab.run(unpruned, Ratio(), rounds), lab.run(unpruned, Ratio(), once));
  CHECK(unpruned.count("finetune") == 1);
}

TEST_CASE("runs differ, and ratios of a run share its pre-training", "[method][run_cell]") {
  Lab lab;
  const MemoryStore store;
  const auto one = lab.run<StructuredHydraTest>(store, Ratio::percent(0));
  const auto two = lab.run<StructuredHydraTest>(store, Ratio::percent(0), {}, 2);
  CHECK((one.measured.clean.detections != two.measured.clean.detections));
  lab.run<StructuredHydraTest>(store, Ratio::percent(50));
  CHECK(store.count("pretrain") == 2);
}

TEST_CASE("scores are not trained where nothing is pruned", "[method][run_cell]") {
  Lab lab;
  const MemoryStore store;
  lab.run<StructuredHydraTest>(store, Ratio::percent(0));
  CHECK(store.count("trained_scores") == 0);
  lab.run<StructuredHydraTest>(store, Ratio::percent(25));
  CHECK(store.count("trained_scores") == 1);
}

TEST_CASE("removed filters make the network smaller, removed weights do not",
          "[method][run_cell]") {
  Lab lab;
  const auto full = parameters(lab.experiment.pretrained.graph());
  const auto structured =
      lab.run<Scenario<Magnitude, Filter, Pgd, Rgb>>(NoStore{}, Ratio::percent(50)).trained;
  const auto unstructured =
      lab.run<Scenario<Magnitude, Weight, Pgd, Rgb>>(NoStore{}, Ratio::percent(50)).trained;
  CHECK(parameters(structured.network.graph()) < full);
  CHECK(parameters(unstructured.network.graph()) == full);
  CHECK(unstructured.kept.weights < full);
}

TEST_CASE("the original network is measured as the others are, and all of it is there",
          "[method][run_cell]") {
  Lab lab;
  const StructuredHydraTest scenario;
  auto original = original_cell(ErasedScenario(scenario), lab.experiment);
  const auto measured =
      measure_cell(scenario, lab.experiment, original.network, {"original", 1, {}}, lab.silent);
  CHECK((measured.clean.detections != measured.attacked.detections));
  CHECK(original.seconds_pretrain == 0);
  std::int64_t weights = 0;
  for (const int i : original.network.graph().convolutions())
    weights += original.network.layer(i).weight.numel();
  CHECK(original.kept.weights == weights);
  const auto before = state_of(lab.experiment.pretrained), after = state_of(original.network);
  for (std::size_t i = 0; i < before.size(); ++i) CHECK(at::equal(before[i], after[i]));
}

TEST_CASE("keys of training know nothing of how cells are measured, those of measuring know both",
          "[method][stage_keys]") {
  Lab lab;
  const CellId id{"s", 1, Ratio::percent(50)};
  const auto keys = [&](const auto& experiment) {
    return stage_keys(StructuredHydraTest{}, experiment, id);
  };
  const auto before = keys(lab.experiment);
  const auto changed = [&](auto change) {
    auto experiment = lab.experiment;
    change(experiment);
    const auto now = keys(experiment);
    return std::string() + (now.pretraining != before.pretraining ? "p" : "") +
           (now.scores != before.scores ? "s" : "") +
           (now.trained_scores != before.trained_scores ? "t" : "") +
           (now.finetuning != before.finetuning ? "f" : "") +
           (now.evaluation != before.evaluation ? "e" : "") +
           (now.timing != before.timing ? "m" : "");
  };
  CHECK(changed([](auto&) {}).empty());
  CHECK(changed([](auto& e) { e.budget.evaluate.timing_images = 7; }) == "m");
  CHECK(changed([](auto& e) { e.budget.evaluate.timing_warmup = 7; }) == "m");
  CHECK(changed([](auto& e) { e.budget.evaluate.images = 2; }) == "e");
  CHECK(changed([](auto& e) { e.budget.evaluate.batch_size = 3; }) == "e");
  CHECK(changed([](auto& e) { e.budget.finetune.steps = 7; }) == "fem");
  CHECK(changed([](auto& e) { e.budget.scores.steps = 7; }) == "tfem");
  CHECK(changed([](auto& e) { e.budget.score_images = 2; }) == "stfem");
  CHECK(changed([](auto& e) { e.budget.pretrain.clip = 7; }) == "pstfem");
  CHECK(changed([](auto& e) { e.seed = Seed(6); }) == "pstfem");
  // What the experiment holds, not where it came from.
  CHECK(keys(Experiment(TinyDetector(), lab.train, lab.test, kBudget, Seed(5))).timing ==
        before.timing);
  CHECK(keys(Experiment(TinyDetector(test::tiny_graph(), Seed(1)), lab.train, lab.test, kBudget,
                        Seed(5)))
            .pretraining != before.pretraining);
  auto other = test::tiny_graph();
  other.layers.front().as<Convolutional>()->activation = Activation::kRelu;
  CHECK(keys(Experiment(TinyDetector(other), lab.train, lab.test, kBudget, Seed(5))).pretraining !=
        before.pretraining);
  const NoiseData more(9, 1), elsewhere(4, 3);
  CHECK(keys(Experiment(TinyDetector(), more, lab.test, kBudget, Seed(5))).pretraining !=
        before.pretraining);
  const auto tested = keys(Experiment(TinyDetector(), lab.train, elsewhere, kBudget, Seed(5)));
  CHECK(tested.finetuning == before.finetuning);
  CHECK(tested.evaluation != before.evaluation);
}

TEST_CASE(
    "scenarios of a colour mode start from its own weights where there are some, others do not",
    "[method][run_cell][stage_keys]") {
  Lab lab;
  const TinyDetector grey(test::tiny_graph(), Seed(9));
  const ErasedScenario sees_colour{Scenario<Magnitude, Weight, Pgd, Rgb>{}},
      sees_grey{Scenario<Magnitude, Weight, Pgd, GreyscaleRec601>{}};
  const CellId id{"s", 1, Ratio::percent(50)};
  const auto keys = [&](const ErasedScenario& s) { return stage_keys(s, lab.experiment, id); };
  const auto colour = keys(sees_colour), before = keys(sees_grey);
  lab.experiment.start_from(std::string(GreyscaleRec601::name), grey.clone());
  CHECK(keys(sees_colour).timing == colour.timing);
  CHECK(keys(sees_grey).pretraining != before.pretraining);
  CHECK(original_keys(sees_grey, lab.experiment, id).finetuning !=
        original_keys(sees_colour, lab.experiment, id).finetuning);

  lab.experiment.budget.pretrain.steps = lab.experiment.budget.finetune.steps = 0;
  const auto starts_as = [&](const ErasedScenario& scenario, const TinyDetector& network) {
    const auto cell =
        train_cell(scenario, lab.experiment, NoStore{}, {"s", 1, Ratio()}, lab.silent);
    const auto original = original_cell(scenario, lab.experiment);
    const auto wanted = state_of(network);
    for (const auto* made : {&cell.network, &original.network}) {
      const auto found = state_of(*made);
      for (std::size_t i = 0; i < wanted.size(); ++i)
        if (!at::equal(wanted[i], found[i])) return false;
    }
    return true;
  };
  CHECK(starts_as(sees_colour, lab.experiment.pretrained));
  CHECK(starts_as(sees_grey, grey));
}

TEST_CASE("a score that asks for twins gets the clean images with their attacked twins behind",
          "[method][run_cell]") {
  Lab lab;
  CHECK_NOTHROW(
      lab.run<Scenario<TwinScore, Weight, Pgd, GreyscaleRec601>>(NoStore{}, Ratio::percent(25)));
  CHECK_THROWS_WITH(
      (lab.run<Scenario<TwinScore, Weight, NoAttack, Rgb>>(NoStore{}, Ratio::percent(25))),
      Catch::Matchers::ContainsSubstring("should have an attack"));
}

TEST_CASE("what is timed is the deployed network", "[method][timing]") {
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
  const auto measured = lab.run<StructuredHydraTest>(NoStore{}, Ratio::percent(50)).measured;
  CHECK(made == 1);
  CHECK(runs == kBudget.evaluate.timing_images + kBudget.evaluate.timing_warmup);
  CHECK(measured.paper.network.median == measured.standard.network.median);
  CHECK(measured.paper.input.median > 0);
}

TEST_CASE("without an attack the robust numbers are the clean ones", "[method][run_cell]") {
  Lab lab;
  const auto [clean, attacked, paper, standard] =
      lab.run<Scenario<Snip, Weight, NoAttack, GreyscaleRec601>>(NoStore{}, Ratio::percent(25))
          .measured;
  CHECK((clean.detections == attacked.detections));
  CHECK(clean.standard.numbers() == attacked.standard.numbers());
}

TEST_CASE("settings make the key of a cell", "[core][settings_text]") {
  CHECK(settings_text(Pgd{}) != settings_text(Pgd{.epsilon = 0.1}));
  CHECK(settings_text(Pgd{}) != settings_text(Pgd{.aim = {.box = 2}}));
  CHECK(settings_text(Hydra{}) != settings_text(Hydra{.optimizer = {.learning_rate = 0.2}}));
  CHECK(settings_text(StructuredHydraTest{}) == settings_text(StructuredHydraTest{}));
}

TEST_CASE("the loader gives the same batches whatever the number of threads", "[method][loader]") {
  const NoiseData data(7, 3);
  Loader<NoiseData> one(data, 3, Seed(9), 1), three(data, 3, Seed(9), 3);
  for (int i = 0; i < 12; ++i) {
    const auto a = one.next(), b = three.next();
    CHECK((a.image_ids == b.image_ids));
    CHECK(at::equal(a.images, b.images));
  }
}

TEST_CASE("a batch that cannot be made fails at its turn, not before", "[method][loader]") {
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

TEST_CASE("every epoch sees every image once", "[method][loader]") {
  const NoiseData data(6, 3);
  Loader<NoiseData> loader(data, 3, Seed(9), 2);
  for (int epoch = 0; epoch < 3; ++epoch) {
    auto a = loader.next().image_ids, b = loader.next().image_ids;
    a.insert(a.end(), b.begin(), b.end());
    std::ranges::sort(a);
    CHECK((a == std::vector<std::int64_t>{1, 2, 3, 4, 5, 6}));
  }
}

TEST_CASE("a stop request ends a stage between two steps", "[method][run_cell]") {
  struct Stopper {
    int steps = 0;
    void on_step(std::int64_t, double) { ++steps; }
    [[nodiscard]] bool stop_requested() const { return steps >= 2; }
  };
  Lab lab;
  Stopper stopper;
  CHECK_THROWS_AS(run_cell(StructuredHydraTest{}, lab.experiment, NoStore{},
                           {"s", 1, Ratio::percent(50)}, stopper),
                  Interrupted);
  CHECK(stopper.steps == 2);
}

TEST_CASE("stopped after every step, a cell makes no step twice and ends in the same bits",
          "[method][run_cell][unfinished]") {
  /// Stops after one training step, whose stage and number it notes.
  struct OneStep {
    std::vector<std::pair<std::string, std::int64_t>>& made;
    std::string stage{};
    bool is_made = false;
    std::int64_t known = 0;
    void on_stage(std::string_view name, std::int64_t) { stage = name, known = 0; }
    void on_known_steps(std::int64_t steps) { known = steps; }
    void on_step(std::int64_t step, double loss) {
      if (std::isnan(loss)) return;  // no training
      CHECK(step == known + 1);
      made.emplace_back(stage, step);
      is_made = true;
    }
    [[nodiscard]] bool stop_requested() const { return is_made; }
  };
  Lab lab;
  lab.experiment.budget.finetune.statistics_images = 4;
  const auto ratio = Ratio::percent(50);
  const auto whole = lab.run<StructuredHydraTest>(NoStore{}, ratio);
  const test::Scratch folder;
  std::vector<std::pair<std::string, std::int64_t>> made;
  std::optional<CellResult<TinyDetector>> stopped;
  for (int run = 0; !stopped && run < 20; ++run) {
    const Store store(folder / "out");
    OneStep observer{made};
    try {
      stopped = run_cell(StructuredHydraTest{}, lab.experiment, store, {"s", 1, ratio}, observer);
    } catch (const Interrupted&) {
    }
  }
  REQUIRE(stopped.has_value());
  CHECK((made == std::vector<std::pair<std::string, std::int64_t>>{{"robust pre-training", 1},
                                                                   {"robust pre-training", 2},
                                                                   {"score training", 1},
                                                                   {"score training", 2},
                                                                   {"robust fine-tuning", 1},
                                                                   {"robust fine-tuning", 2}}));
  check_equal(whole, *stopped);
  for (const auto& file : std::filesystem::directory_iterator(folder / "out/stages"))
    CHECK(file.path().extension() != ".unfinished");
}

TEST_CASE("stopped after every step of every round, a cell makes no step twice",
          "[method][run_cell][unfinished][schedule]") {
  /// Stops after one training step, which it counts.
  struct OneStep {
    int& made;
    bool is_made = false;
    void on_step(std::int64_t, double loss) {
      if (std::isnan(loss)) return;  // no training
      ++made;
      is_made = true;
    }
    [[nodiscard]] bool stop_requested() const { return is_made; }
  };
  Lab lab;
  auto& budget = lab.experiment.budget;
  budget.scores.steps = budget.finetune.steps = 6;  // two a round
  const StructuredHydraTest scenario{.schedule = {.curve = Curve::kCubic, .rounds = 3}};
  const auto ratio = Ratio::percent(50);
  const auto whole = lab.run(NoStore{}, ratio, scenario);
  const test::Scratch folder;
  int made = 0;
  std::optional<CellResult<TinyDetector>> stopped;
  for (int run = 0; !stopped && run < 40; ++run) {
    const Store store(folder / "out");
    OneStep observer{made};
    try {
      stopped = run_cell(scenario, lab.experiment, store, {"s", 1, ratio}, observer);
    } catch (const Interrupted&) {
    }
  }
  REQUIRE(stopped.has_value());
  CHECK(made == 2 + 6 + 6);
  check_equal(whole, *stopped);
  // Of the rounds the last is left, until the cell is saved.
  std::int64_t rounds = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder / "out/stages"))
    rounds += file.path().filename().string().starts_with("round");
  CHECK(rounds == 1);
}

TEST_CASE("a kill costs the steps since a training was kept; damage and another key, all of them",
          "[method][run_cell][unfinished]") {
  struct Killer {
    int steps = 0;
    void on_step(std::int64_t, double) {
      if (++steps == 2) throw std::runtime_error("killed");
    }
  };
  const test::Scratch folder;
  const auto file = folder / "training";
  const NoiseData data{8, 1};
  const Defence defence{.objective = ErasedObjective(PgdAdversarial{}),
                        .attack = ErasedAttack(Pgd{}),
                        .color = ErasedColorMode(Rgb{})};
  const TrainSettings settings{.steps = 3, .batch_size = 2, .learning_rate = 1e-3};
  const auto at = [&](const std::string& key) {
    return Unfinished(file, key, [] { return 7; }, 0);
  };
  const auto run = [&](auto&& observer, Unfinished* unfinished) {
    TinyDetector detector;
    Loader<NoiseData> loader(data, 2, Seed(3), 1);
    train(
        detector, MovedWeights(detector), [&] { return loader.next(); }, defence, settings, Seed(4),
        at::kCPU, observer, unfinished);
    return state_of(detector);
  };
  Silent silent;
  const auto whole = run(silent, nullptr);
  auto killed = at("a");
  Killer killer;
  CHECK_THROWS_WITH(run(killer, &killed), "killed");
  REQUIRE(at("a").load().has_value());
  CHECK(at("a").load()->training.step == 1);
  CHECK(at("a").load()->batches == 1);
  CHECK_FALSE(at("b").load().has_value());
  struct Counter {
    int steps = 0;
    void on_step(std::int64_t, double) { ++steps; }
  } counter;
  auto resumed = at("a");
  const auto found = run(counter, &resumed);
  CHECK(counter.steps == 2);
  CHECK(resumed.unreadable() == 7);
  for (std::size_t i = 0; i < whole.size(); ++i) CHECK(at::equal(whole[i], found[i]));
  std::filesystem::resize_file(file, std::filesystem::file_size(file) / 2);
  CHECK_FALSE(at("a").load().has_value());
}
