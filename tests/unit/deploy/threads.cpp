#include <ATen/Parallel.h>

#include <atomic>
#include <set>
#include <stdexcept>
#include <thread>

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
  const int before = at::get_num_threads();
  at::set_num_threads(wanted);
  work();  // wakes them
  auto& regions = test::ParallelRegions::instance();
  regions.clear();
  for (int i = 0; i < 4; ++i) work();
  at::set_num_threads(before);
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
  CHECK(threads(2, 0.9e5) == 1);
  CHECK(threads(2, 1e5) == 2);
  CHECK(threads(16, 1.9e5) == 1);
  CHECK(threads(16, 2e5) == 3);
  CHECK(threads(16, 1e9) == 16);
  CHECK(threads(64, 2.9e5) == 1);
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

TEST_CASE("each thread of a team gets its part, as often as the leader has some",
          "[deploy][threads]") {
  for (const int threads : {2, 3}) {
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
    });
    CHECK(deploy::Team::at_hand() == nullptr);
  }
}

TEST_CASE("a part of a team's work has no team, and what it has to share it does alone",
          "[deploy][threads]") {
  const deploy::WithThreads two(2);
  std::atomic<int> alone = 0, pieces = 0;
  deploy::Workers(1e9).stand_by([&] {
    deploy::Workers(1e9)(2, [&](std::int64_t, std::int64_t) {
      alone += deploy::available_threads() == 1 && deploy::Team::at_hand() == nullptr;
      deploy::Workers(1e9)(
          10, [&](std::int64_t begin, std::int64_t end) { pieces += end - begin == 10; });
    });
  });
  CHECK(alone == 2);
  CHECK(pieces == 2);
}

TEST_CASE("what a part throws, or the leader, comes out of a team, which goes on",
          "[deploy][threads]") {
  for (const int thrower : {0, 1}) {
    int parts = 0;
    deploy::Team::gather(2, [&] {
      auto& team = *deploy::Team::at_hand();
      CHECK_THROWS_WITH(team.share([&](int part) {
        if (part == thrower) throw std::runtime_error("a part");
      }),
                        "a part");
      team.share([&](int part) {
        if (part == thrower) ++parts;
      });
    });
    CHECK(parts == 1);
  }
  CHECK_THROWS_WITH(deploy::Team::gather(2, [] { throw std::runtime_error("the leader"); }),
                    "the leader");
  CHECK(deploy::Team::at_hand() == nullptr);
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
