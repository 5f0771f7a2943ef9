#include <ATen/Parallel.h>

#include <array>
#include <atomic>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>

#include "serpette/deploy/plan.hpp"
#include "serpette/deploy/team.hpp"
#include "serpette/deploy/workers.hpp"
#include "serpette/detector/loss.hpp"
#include "serpette/formats/darknet/cfg.hpp"
#include "serpette/laws/prune_granularity.hpp"
#include "serpette/nn/batch_norm.hpp"
#include "serpette/prune/mask.hpp"
#include "serpette/prune/weight.hpp"
#include "serpette/score/rescale.hpp"
#include "support/catch.hpp"
#include "support/graph_builder.hpp"
#include "support/openmp.hpp"
#include "support/reference_network.hpp"

using namespace serpette;

namespace {

/// How many threads have a fair part in the work: in our own code, and with LibTorch's. What one
/// thread computes is in no parallel region.
struct Threads {
  int own, all;
};

template <class Work>
Threads threads_of(int wanted, const Work& work) {
  // Threads of a team sleep while they wait: what a thread takes is what it computes.
  const int before = at::get_num_threads(), patience = std::exchange(deploy::detail::patience, 0);
  at::set_num_threads(wanted);
  work();  // wakes them
  auto& regions = test::ParallelRegions::instance();
  regions.clear();
  for (int i = 0; i < 4; ++i) work();
  at::set_num_threads(before);
  deploy::detail::patience = patience;
  return {std::max(1, regions.own(0.4 / wanted)), std::max(1, regions.all(0.4 / wanted))};
}

}  // namespace

TEST_CASE("one OpenMP runtime is loaded, LibTorch's", "[deploy][threads]") {
  const auto loaded = test::openmp_runtimes();
  REQUIRE(loaded.size() == 1);
  CHECK(std::filesystem::canonical(*loaded.begin()) ==
        std::filesystem::canonical(SERPETTE_OPENMP_RUNTIME));
}

TEST_CASE("work is done by one thread where it is not worth waking all", "[deploy][threads]") {
  const auto threads = [](int all, double multiply_adds) {
    const deploy::WithThreads these(all);
    return deploy::Workers(multiply_adds).threads();
  };
  CHECK(threads(1, 1e9) == 1);
  CHECK(threads(2, 2.9e5) == 1);
  CHECK(threads(2, 3e5) == 2);
  CHECK(threads(16, 5.9e5) == 1);
  CHECK(threads(16, 6e5) == 7);
  CHECK(threads(16, 1e9) == 16);
  CHECK(threads(64, 8.9e5) == 1);
  // A third, where they are gathered.
  deploy::Team::gather(2, [] {
    CHECK(deploy::Workers(0.9e5).threads() == 1);
    CHECK(deploy::Workers(1e5).threads() == 2);
  });
}

TEST_CASE("work is cut until threads have about as much of it each", "[deploy][threads]") {
  const auto parts = [](std::int64_t pieces, int threads, std::int64_t most) {
    return deploy::parts_of_each(pieces, threads, most);
  };
  CHECK(parts(1, 1, 8) == 1);
  CHECK(parts(1, 2, 8) == 2);
  CHECK(parts(6, 2, 8) == 1);
  CHECK(parts(5, 2, 8) == 2);   // 5 : 5, not 2 : 3
  CHECK(parts(21, 2, 8) == 1);  // 10 : 11
  CHECK(parts(1, 16, 4) == 4);  // as many as there are
  CHECK(parts(5, 2, 1) == 1);
  CHECK(parts(7, 3, 2) == 2);  // 4 : 5 : 5, not 2 : 2 : 3
}

TEST_CASE("fewer pieces than threads are one for each of some", "[deploy][threads]") {
  const deploy::WithThreads three(3);
  std::array<std::atomic<int>, 2> calls{};
  deploy::Workers(1e9)(2, [&](std::int64_t begin, std::int64_t end) {
    REQUIRE(end == begin + 1);
    ++calls[static_cast<std::size_t>(begin)];
  });
  CHECK(calls[0] == 1);
  CHECK(calls[1] == 1);
}

TEST_CASE("a team's threads get their parts, what they throw comes out, and they go on",
          "[deploy][threads]") {
  const bool is_awake = GENERATE(true, false);
  const int threads = GENERATE(2, 3),
            patience = std::exchange(deploy::detail::patience, is_awake ? 20'000 : 0);
  deploy::Team::gather(threads, [&] {
    auto& team = *deploy::Team::at_hand();
    REQUIRE(team.size() == threads);
    CHECK(deploy::available_threads() == threads);
    std::vector<int> calls(static_cast<std::size_t>(threads), 0);
    std::vector<std::thread::id> who(calls.size());
    constexpr int kTimes = 300;
    for (int i = 0; i < kTimes; ++i)
      team.share([&](int part) {
        ++calls[static_cast<std::size_t>(part)];
        who[static_cast<std::size_t>(part)] = std::this_thread::get_id();
      });
    CHECK(calls == std::vector<int>(calls.size(), kTimes));
    CHECK(who.front() == std::this_thread::get_id());
    CHECK(std::set(who.begin(), who.end()).size() == who.size());
    deploy::Team::gather(7, [&] { CHECK(deploy::Team::at_hand() == &team); });
    for (const int thrower : {0, 1}) {
      CHECK_THROWS_WITH(team.share([&](int part) {
        if (part == thrower) throw std::runtime_error("a part");
      }),
                        "a part");
      bool is_there = false;
      team.share([&](int part) {
        if (part == thrower) is_there = true;
      });
      CHECK(is_there);
    }
  });
  CHECK_THROWS_WITH(deploy::Team::gather(threads, [] { throw std::runtime_error("the leader"); }),
                    "the leader");
  CHECK(deploy::Team::at_hand() == nullptr);
  CHECK(deploy::detail::gathered_threads == 0);
  deploy::detail::patience = patience;
}

TEST_CASE("a part of a team's work has no team, and what it has to share it does alone",
          "[deploy][threads]") {
  const deploy::WithThreads two(2);
  std::atomic<int> alone = 0, pieces = 0, small = 0;
  deploy::Workers(1e9).stand_by([&] {
    deploy::Workers(1e9)(2, [&](std::int64_t, std::int64_t) {
      alone += deploy::available_threads() == 1 && deploy::Team::at_hand() == nullptr;
      deploy::Workers(1e9)(
          10, [&](std::int64_t begin, std::int64_t end) { pieces += end - begin == 10; });
      // OpenMP has no more threads here: a team of one.
      deploy::Team::gather(
          2, [&] { deploy::Team::at_hand()->share([&](int part) { small += part == 0; }); });
    });
  });
  CHECK(alone == 2);
  CHECK(pieces == 2);
  CHECK(small == 2);
}

TEST_CASE("a plan gathers its threads once for an image", "[deploy][threads]") {
  const auto cfgs = std::filesystem::path(SERPETTE_TESTS).parent_path() / "share/cfg";
  auto graph = load_cfg(cfgs / "yolov3-tiny.cfg");
  const test::ReferenceNetwork network(graph, Seed(1));
  auto plan = deploy::make_plan(network, {.measure = false});
  const auto image = at::rand(at::IntArrayRef{1, 3, graph.input.height, graph.input.width});
  auto& regions = test::ParallelRegions::instance();
  const int before = at::get_num_threads();
  for (const int threads : {1, 2}) {
    at::set_num_threads(threads);
    regions.clear();
    int heads = 0;
    plan.run(image.const_data_ptr<float>(), [&](std::size_t, const deploy::ConstMap&) {
      const auto* team = deploy::Team::at_hand();
      CHECK((team == nullptr ? 1 : team->size()) == threads);
      ++heads;
    });
    CHECK(heads == 2);
    CHECK(regions.own_regions() == threads - 1);
  }
  at::set_num_threads(before);
}

TEST_CASE("a plan computes on as many threads as it is given", "[deploy][threads]") {
  const auto cfgs = std::filesystem::path(SERPETTE_TESTS).parent_path() / "share/cfg";
  auto graph = load_cfg(cfgs / "yolov3-tiny.cfg");
  const test::ReferenceNetwork network(graph, Seed(1));
  const auto masked = network.masked(
      make_mask(graph, laws::random_scores(graph, Seed(9)), Ratio::percent(90), Weight{}));
  auto plan = deploy::make_plan(masked, {.measure = false});
  const auto images = at::rand(at::IntArrayRef{1, 3, graph.input.height, graph.input.width});
  for (const int n : {1, 2, 3}) CHECK(threads_of(n, [&] { (void)plan.forward(images); }).own == n);
}

TEST_CASE(
    "batch norm in training and DeepLIFT's slopes compute on as many threads as they are given",
    "[deploy][threads]") {
  const auto x = at::randn({4, 32, 104, 104}).contiguous(at::MemoryFormat::ChannelsLast);
  LayerParameters p;
  p.gamma = at::ones({32});
  p.beta = at::zeros({32});
  p.running_mean = at::zeros({32});
  p.running_var = at::ones({32});
  const auto train = [&] {
    const auto in = x.detach().requires_grad_(true);
    normalise_and_activate(in, p, Activation::kLeaky, true, 0.1).sum().backward();
  };
  for (const int n : {1, 2, 3}) {
    CHECK(threads_of(n, train).own == n);
    CHECK(threads_of(n, [&] { (void)through_leaky(x, x, x * 0.5, kLeakySlope); }).own == n);
  }
}

TEST_CASE("the loss of a detector computes on as many threads as it is given",
          "[deploy][threads]") {
  const auto graph = test::GraphBuilder({3, 416, 416})
                         .conv({.filters = 8, .size = 3, .stride = 8, .padding = 1})
                         .head(80, {0, 1, 2})
                         .done();
  const YoloLoss loss(graph);
  const auto head = at::randn({8, 255, 52, 52}).requires_grad_(true);
  const auto truth = at::tensor({0.0F, 3.0F, 0.5F, 0.5F, 0.2F, 0.3F}).view({1, 6});
  const auto work = [&] { loss({head}, loss.assign({head}, truth)).total().backward(); };
  for (const int n : {1, 2}) CHECK(threads_of(n, work).all == n);
}

TEST_CASE("the sums of batch norm in training do not depend on the number of threads",
          "[deploy][threads]") {
  const auto x = at::randn({4, 24, 52, 52}).contiguous(at::MemoryFormat::ChannelsLast);
  std::vector<std::vector<at::Tensor>> results;
  const int before = at::get_num_threads();
  for (const int n : {1, 2, 3}) {
    at::set_num_threads(n);
    LayerParameters p;
    p.gamma = at::full({24}, 0.5).requires_grad_(true);
    p.beta = at::full({24}, 0.1).requires_grad_(true);
    p.running_mean = at::zeros({24});
    p.running_var = at::ones({24});
    const auto in = x.detach().requires_grad_(true);
    const auto y = normalise_and_activate(in, p, Activation::kLeaky, true, 0.1);
    auto got = torch::autograd::grad({y}, {in, p.gamma, p.beta}, {x});
    got.insert(got.end(), {y.detach(), p.running_mean, p.running_var});
    results.push_back(std::move(got));
  }
  at::set_num_threads(before);
  for (std::size_t i = 0; i < results[0].size(); ++i) {
    CHECK(results[0][i].equal(results[1][i]));
    CHECK(results[0][i].equal(results[2][i]));
  }
}
