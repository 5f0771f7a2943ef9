#include "serpette/method/together.hpp"

#include <ATen/Parallel.h>
#include <atomic>
#include <string>
#include <thread>

#include "serpette/method/loader.hpp"
#include "support/catch.hpp"
#include "support/noise_data.hpp"
#include "support/together.hpp"

using namespace serpette;

namespace {

/// What each of `size` threads has that train together, by rank.
template <Attack A>
std::vector<test::Trained> together(int size, const A& attack, at::ScalarType type,
                                    const TrainSettings& settings) {
  test::ThreadPeers peers(size);
  std::vector<test::Trained> trained(static_cast<std::size_t>(size));
  {
    std::vector<std::jthread> threads;
    for (int rank = 0; rank < size; ++rank)
      threads.emplace_back([&, rank] {
        at::set_num_threads(1);
        trained[static_cast<std::size_t>(rank)] =
            test::train_share(peers.of(rank), attack, type, settings);
      });
  }
  return trained;
}

}  // namespace

TEST_CASE(
    "gradients, running statistics, losses and weights of a shared batch are those of the whole "
    "one",
    "[pipeline][together]") {
  const auto steps = GENERATE(1, 4);
  const int size = GENERATE(2, 4);
  const TrainSettings settings{.steps = steps, .batch_size = 8, .learning_rate = 1e-3, .clip = 50};
  const auto check = [&](const test::Trained& alone, const std::vector<test::Trained>& parts,
                         double tolerance) {
    for (const auto& part : parts) {
      CHECK(test::distance(part.gradients, alone.gradients) < tolerance);
      CHECK(test::distance(part.tensors, alone.tensors) < tolerance);
      for (std::size_t i = 0; i < alone.losses.size(); ++i)
        CHECK(part.losses[i] == Catch::Approx(alone.losses[i]).epsilon(tolerance));
      for (std::size_t i = 0; i < part.tensors.size(); ++i)
        CHECK(at::equal(part.tensors[i], parts[0].tensors[i]));
    }
  };
  check(test::train_share({}, Pgd{}, at::kDouble, settings),
        together(size, Pgd{}, at::kDouble, settings), 1e-10);
  check(test::train_share({}, NoAttack{}, at::kFloat, settings),
        together(size, NoAttack{}, at::kFloat, settings), 1e-5);
}

TEST_CASE("shares of unequal size count by their images", "[pipeline][together]") {
  test::ThreadPeers peers(2);
  std::vector<double> parts(2), totals(2);
  std::vector<std::jthread> threads;
  for (int rank = 0; rank < 2; ++rank)
    threads.emplace_back([&, rank] {
      const auto mine = peers.of(rank);
      const auto part = part_of_whole(mine, at::full({}, rank == 0 ? 2.0 : 5.0), rank == 0 ? 3 : 1);
      parts[static_cast<std::size_t>(rank)] = part.item<double>();
      totals[static_cast<std::size_t>(rank)] = total(mine, part);
    });
  threads.clear();
  CHECK(parts == std::vector<double>{1.5, 1.25});
  CHECK(totals == std::vector<double>{2.75, 2.75});
}

TEST_CASE("processes that would go on from different steps are refused, all of them",
          "[pipeline][together]") {
  const auto refused = [](const std::vector<std::int64_t>& steps) {
    test::ThreadPeers peers(2);
    std::vector<std::string> said(2);
    {
      std::vector<std::jthread> threads;
      for (std::size_t rank = 0; rank < 2; ++rank)
        threads.emplace_back([&, rank] {
          try {
            require_same_step(peers.of(static_cast<int>(rank)), steps[rank], at::kCPU);
          } catch (const Error& error) {
            said[rank] = error.what();
          }
        });
    }
    return said;
  };
  CHECK(refused({500, 500}) == std::vector<std::string>(2));
  for (const auto& said : refused({500, 0}))
    CHECK_THAT(said, Catch::Matchers::ContainsSubstring("got those of steps 500, 0"));
  CHECK_NOTHROW(require_same_step({}, 500, at::kCPU));
}

TEST_CASE("the others wait for what the first process does alone, and hear that it is there",
          "[pipeline][together]") {
  test::ThreadPeers peers(2);
  std::atomic<int> sums = 0, worked = 0;
  std::atomic<bool> too_early = false;
  {
    std::vector<std::jthread> threads;
    for (int rank = 0; rank < 2; ++rank)
      threads.emplace_back([&, rank] {
        const auto mine = peers.of(rank);
        const Peers counted{mine.share, [&](at::Tensor& tensor) {
                              ++sums;
                              mine.sum(tensor);
                            }};
        in_first(
            counted, at::kCPU,
            [&](const auto& still_here) {
              for (int k = 0; k < 3; ++k) {
                ++worked;
                still_here();
              }
            },
            0);
        too_early = too_early || worked < 3;
      });
  }
  CHECK(sums == 2 * (3 + 1));
  CHECK_FALSE(too_early);
  int alone = 0;
  in_first({}, at::kCPU, [&](const auto& still_here) { ++alone, still_here(); }, 0);
  CHECK(alone == 1);
}

TEST_CASE("the loader's shares are the batch", "[pipeline][loader]") {
  const test::NoiseData data(7, 1);
  Loader<test::NoiseData> whole(data, 6, Seed(3), 1);
  Loader<test::NoiseData> first(data, 6, Seed(3), 1, {0, 2}), second(data, 6, Seed(3), 2, {1, 2});
  for (int k = 0; k < 5; ++k) {
    const auto batch = whole.next(), a = first.next(), b = second.next();
    REQUIRE(a.size() == 3);
    for (std::int64_t i = 0; i < 6; ++i) {
      const auto& share = i % 2 == 0 ? a : b;
      CHECK(at::equal(batch.images[i], share.images[i / 2]));
      CHECK(batch.image_ids[static_cast<std::size_t>(i)] ==
            share.image_ids[static_cast<std::size_t>(i / 2)]);
    }
  }
  CHECK_THROWS_WITH((Loader<test::NoiseData>(data, 5, Seed(3), 1, {0, 2})),
                    Catch::Matchers::ContainsSubstring("multiple of the 2"));
}
