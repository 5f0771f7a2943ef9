#include "serpette/method/checkpoint.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <tuple>
#include <utility>
#include <vector>

#include "serpette/attack/pgd.hpp"
#include "serpette/color/rgb.hpp"
#include "serpette/method/learning_rate_finder.hpp"
#include "serpette/method/loader.hpp"
#include "serpette/method/train.hpp"
#include "serpette/method/training_log.hpp"
#include "serpette/objective/both_forms.hpp"
#include "serpette/objective/clean.hpp"
#include "serpette/objective/distilled.hpp"
#include "serpette/objective/free_adversarial.hpp"
#include "serpette/objective/mixed.hpp"
#include "serpette/objective/pgd_adversarial.hpp"
#include "serpette/objective/under.hpp"
#include "support/catch.hpp"
#include "support/equal.hpp"
#include "support/noise_data.hpp"
#include "support/scratch.hpp"
#include "support/second_device.hpp"
#include "support/tiny_detector.hpp"

using namespace serpette;
using Catch::Matchers::ContainsSubstring;
using test::equal;
using test::NoiseData;
using test::TinyDetector;

TEST_CASE("a training that goes on from a checkpoint ends in the same bytes",
          "[method][checkpoint]") {
  using Optimizer = TrainSettings::Optimizer;
  const auto optimizer = GENERATE(Optimizer::kSgd, Optimizer::kAdam, Optimizer::kAdamW);
  const double averaged = GENERATE(0.0, 0.9);
  const TrainSettings settings{.steps = 6,
                               .batch_size = 4,
                               .learning_rate = 1e-2,
                               .warmup = 2,
                               .optimizer = optimizer,
                               .average = averaged};
  Pgd pgd;
  pgd.random_start = true;  // every step draws random numbers
  const Defence defence{PgdAdversarial{}, pgd, Rgb{}};
  const NoiseData data(7, 1);
  const test::Scratch folder;
  const auto file = folder / "training.checkpoint";

  const auto run = [&](std::int64_t stop, bool goes_on) {
    TinyDetector detector;
    MovedWeights moves(detector);
    Training training(detector, moves, defence, settings, Seed(1), at::kCPU);
    if (goes_on) {
      const auto kept = load_checkpoint(file);
      REQUIRE(kept);
      CHECK(kept->configuration == "a: b\n");
      CHECK(kept->notes.empty());
      CHECK(kept->learning_rate == 0.5);
      training.set_state(kept->training);
      CHECK(training.done() == 3);
    }
    Loader<NoiseData> loader(data, 4, Seed(2), 1, {}, training.done());
    while (training.done() < stop) (void)training.step([&] { return loader.next(); });
    if (training.finished())
      training.finish();
    else
      save_checkpoint(file, {.configuration = "a: b\n",
                             .notes = "",
                             .learning_rate = 0.5,
                             .training = training.state()});
    return state_of(detector);
  };
  const auto unbroken = run(6, false);
  CHECK_FALSE(load_checkpoint(file));
  (void)run(3, false);
  CHECK(equal(run(6, true), unbroken));
}

TEST_CASE("a training on the second device goes on from its file in the CPU's bytes, on either",
          "[method][checkpoint][device]") {
  test::need_second_device();
  const double averaged = GENERATE(0.0, 0.9);
  const TrainSettings settings{.steps = 5,
                               .batch_size = 4,
                               .learning_rate = 1e-2,
                               .warmup = 2,
                               .optimizer = TrainSettings::Optimizer::kAdamW,
                               .average = averaged};
  Pgd pgd;
  pgd.random_start = true;
  const Defence defence{PgdAdversarial{}, pgd, Rgb{}};
  const NoiseData data(7, 1);
  const test::Scratch folder;
  const auto file = folder / "training.checkpoint";

  // Steps up to `stop` on a device, from the file if there is one: as the program train goes.
  const auto run = [&](at::Device device, std::int64_t stop) {
    TinyDetector detector;
    detector.to(device);
    MovedWeights moves(detector);
    Training training(detector, moves, defence, settings, Seed(1), device);
    if (const auto kept = load_checkpoint(file)) training.set_state(kept->training);
    const auto begin = training.done();
    Loader<NoiseData> loader(data, 4, Seed(2), 1, {}, begin);
    while (training.done() < stop) {
      (void)training.step([&] { return loader.next(); });
      if (training.finished()) break;
      save_checkpoint(file, {.configuration = "", .notes = "", .training = training.state()});
    }
    if (training.finished()) training.finish();
    std::vector<at::Tensor> state;
    for (const auto& tensor : state_of(detector)) {
      CHECK(tensor.device() == device);
      state.push_back(tensor.cpu());
    }
    return std::tuple(begin, std::move(state));
  };
  const auto whole = [&](at::Device device) {
    auto state = std::get<1>(run(device, settings.steps));
    std::filesystem::remove(file);
    return state;
  };
  const at::Device cpu = at::kCPU;
  const auto unbroken = whole(cpu);
  CHECK(equal(whole(test::kSecondDevice), unbroken));
  for (const auto& [first, then] :
       {std::pair(test::kSecondDevice, test::kSecondDevice), std::pair(test::kSecondDevice, cpu),
        std::pair(cpu, test::kSecondDevice)}) {
    INFO(first << " then " << then);
    (void)run(first, 2);
    (void)run(first, 3);
    const auto [begin, state] = run(then, settings.steps);
    CHECK(begin == 3);
    CHECK(equal(state, unbroken));
    std::filesystem::remove(file);
  }
}

TEST_CASE("a checkpoint that is damaged, or another network's, is refused",
          "[method][checkpoint][errors]") {
  const test::Scratch folder;
  const auto file = folder / "training.checkpoint";
  const Defence defence{Clean{}, Pgd{}, Rgb{}};
  TinyDetector detector;
  MovedWeights moves(detector);
  Training training(detector, moves, defence, {}, Seed(1), at::kCPU);
  auto state = training.state();
  save_checkpoint(file, {.configuration = "", .notes = "", .training = state});
  auto bytes = read_file(file);
  bytes[bytes.size() / 2] ^= 1;
  write_file(file, bytes);
  CHECK_THROWS_WITH(load_checkpoint(file), ContainsSubstring("damaged"));

  state.moved.front() = at::zeros({1, 2});
  CHECK_THROWS_WITH(training.set_state(state), ContainsSubstring("tensors of this network"));
  state = training.state();
  state.generators = state.generators.repeat({2, 1});
  CHECK_THROWS_WITH(training.set_state(state), ContainsSubstring("1 processes, got one of 2"));
}

TEST_CASE("an objective that remembers is none that can be resumed", "[method][checkpoint]") {
  STATIC_CHECK(remembers_nothing<PgdAdversarial>);
  STATIC_CHECK(remembers_nothing<Clean>);
  STATIC_CHECK_FALSE(remembers_nothing<FreeAdversarial<4>>);
  // One that is made of another remembers what that one does.
  STATIC_CHECK(remembers_nothing<Under<Pgd, BothForms>>);
  STATIC_CHECK(remembers_nothing<Distilled<Under<Pgd, PgdAdversarial>>>);
  STATIC_CHECK_FALSE(remembers_nothing<Distilled<FreeAdversarial<4>>>);
  STATIC_CHECK_FALSE(remembers_nothing<Under<Pgd, Mixed<Clean, BothForms>>>);

  TinyDetector detector;
  MovedWeights moves(detector);
  const Defence defence{FreeAdversarial<4>{}, Pgd{}, Rgb{}};
  Training training(detector, moves, defence, {}, Seed(1), at::kCPU);
  CHECK_THROWS_WITH(training.state(), ContainsSubstring("should remember nothing"));
  const Defence distilled{Distilled<Clean>{}, Pgd{}, Rgb{}};
  CHECK_NOTHROW(Training(detector, moves, distilled, {}, Seed(1), at::kCPU).state());
}

TEST_CASE("a loader begins at any batch", "[method][loader]") {
  const NoiseData data(7, 1);
  Loader<NoiseData> all(data, 3, Seed(1), 2), later(data, 3, Seed(1), 2, {}, 4);
  for (int i = 0; i < 4; ++i) (void)all.next();
  for (int i = 0; i < 3; ++i) CHECK(at::equal(all.next().images, later.next().images));
}

TEST_CASE("the range test finds a rate and leaves the network as it was",
          "[method][learning_rate_finder]") {
  const TinyDetector detector;
  const auto before = state_of(detector);
  const NoiseData data(16, 1);
  const Defence defence{Clean{}, Pgd{}, Rgb{}};
  const auto find = [&] {
    Loader<NoiseData> loader(data, 4, Seed(2), 1);
    Silent silent;
    return LearningRateFinder{}(
        detector, [&] { return loader.next(); }, defence, {}, Seed(1), at::kCPU, silent);
  };
  const double rate = find();
  CHECK(equal(state_of(detector), before));
  CHECK(rate > 1e-5);  // the loss fell
  CHECK(rate < 0.1);   // and rose again
  CHECK(find() == rate);
}

TEST_CASE("the log knows the best evaluation and how long it is past", "[method][training_log]") {
  TrainingLog log;
  CHECK(log.best() == nullptr);
  log.add_loss(3);
  log.add_loss(1);
  log.close({.step = 2, .learning_rate = 0.1});
  for (const auto& [step, ap50, robust] :
       {std::tuple{4, 0.5, 0.1}, std::tuple{6, 0.6, 0.2}, std::tuple{8, 0.9, 0.2}}) {
    LogRow row{.step = step, .learning_rate = 0.1};
    row.ap50 = ap50, row.robust_ap50 = robust;
    log.close(row);
  }
  CHECK(log.best()->step == 8);  // the latest of equals
  CHECK(log.evaluations_without_gain() == 1);
  CHECK(log.csv().starts_with(
      "step,learning_rate,loss,AP,AP50,robust_AP,robust_AP50\n2,0.1,2,,,,\n4,0.1,,,0.5,,0.1\n"));
  log.add_loss(1.0 / 3);
  auto again = TrainingLog::parse(log.state(), "log");
  CHECK(again.state() == log.state());
  for (const char* first : {"nonsense", "", ",", "1", "1,", ",1", "1,2,3", "1,1e999", "nan,1"})
    CHECK_THROWS_AS(TrainingLog::parse(fmt::format("{}\n{}", first, log.csv()), "log"), Error);
}
