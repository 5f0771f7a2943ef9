#include "serpette/deploy/plan.hpp"

#include <algorithm>
#include <set>

#include "serpette/laws/prune_granularity.hpp"
#include "serpette/prune/filter.hpp"
#include "serpette/prune/kernel.hpp"
#include "serpette/prune/weight.hpp"
#include "support/catch.hpp"
#include "support/random_graph.hpp"
#include "support/reference_network.hpp"

using namespace serpette;
using deploy::Form;
using deploy::make_plan;
using serpette::test::random_graph;
using serpette::test::ReferenceNetwork;
using serpette::test::relative_error;

namespace {
at::Tensor images_for(const Graph& g, int n) {
  Generator rng(Seed(5));
  return at::rand({n, 3, g.input.height, g.input.width}, rng.torch());
}

template <class Granularity>
ReferenceNetwork pruned(const ReferenceNetwork& network, Granularity granularity, int percent) {
  return network.masked(make_mask(network.graph(), laws::random_scores(network.graph(), Seed(9)),
                                  Ratio::percent(percent), granularity));
}

std::set<Form> forms(const deploy::Plan& plan) {
  std::set<Form> found;
  for (const auto& choice : plan.choices()) found.insert(choice.form);
  return found;
}
}  // namespace

TEMPLATE_TEST_CASE("a plan computes what the network computes, on random graphs", "[deploy][plan]",
                   Weight, Kernel, Filter) {
  for (std::uint64_t i = 0; i < 15; ++i) {
    const ReferenceNetwork network(random_graph(Seed(i)), Seed(i));
    const auto images = images_for(network.graph(), 2);
    for (const int percent : {0, 60, 95}) {
      if (percent == 0 && i > 2) continue;
      INFO("graph " << i << ", " << percent << " %\n" << write_cfg(network.graph()));
      const auto masked = pruned(network, TestType{}, percent);
      const auto expected = masked.forward(images);
      auto plan = make_plan(masked, {.measure = false});
      CHECK(relative_error(plan.forward(images), expected) < 1e-4);
      CHECK(relative_error(plan.forward(images), expected) < 1e-4);  // buffers hold nothing over
      CHECK(plan.choices().size() == plan.graph().convolutions().size());
    }
  }
}

TEST_CASE("a plan computes what YOLOv3-tiny and a slim YOLOv3 compute", "[deploy][plan]") {
  const auto cfgs = std::filesystem::path(SERPETTE_TESTS).parent_path() / "share/cfg";
  const auto name = GENERATE("yolov3-tiny.cfg", "yolov3-quarter.cfg");
  auto graph = load_cfg(cfgs / name);
  graph.input = {3, 128, 160};
  const ReferenceNetwork network(parse_cfg(write_cfg(graph), name), Seed(1));
  const auto images = images_for(network.graph(), 1);
  for (const int percent : {50, 90}) {
    const auto weights = pruned(network, Weight{}, percent),
               kernels = pruned(network, Kernel{}, percent),
               filters = pruned(network, Filter{}, percent);
    for (const auto* masked : {&weights, &kernels, &filters}) {
      auto plan = make_plan(*masked, {.measure = percent == 50, .repeats = 1});
      CHECK(relative_error(plan.forward(images), masked->forward(images)) < 1e-4);
    }
  }
}

TEST_CASE("a plan uses the form that the mask allows", "[deploy][plan]") {
  const auto cfgs = std::filesystem::path(SERPETTE_TESTS).parent_path() / "share/cfg";
  const ReferenceNetwork network(load_cfg(cfgs / "yolov3-tiny.cfg"), Seed(1));
  const deploy::PlanOptions by_rule{.measure = false};
  auto dense = make_plan(network, by_rule);
  CHECK((forms(dense) == std::set{Form::kDense}));
  const auto images = images_for(network.graph(), 1);
  CHECK(relative_error(dense.forward(images), network.forward(images)) < 1e-4);
  CHECK((forms(make_plan(pruned(network, Weight{}, 90), by_rule)) == std::set{Form::kWeights}));
  CHECK((forms(make_plan(pruned(network, Kernel{}, 90), by_rule)) ==
         std::set{Form::kWeights, Form::kKernels}));
  const auto small = make_plan(pruned(network, Filter{.ratio_of = RatioOf::kFilters}, 50), by_rule);
  CHECK((forms(small) == std::set{Form::kDense}));
  CHECK(small.graph()[0].output.channels == 8);  // the mask's removed filters are gone, not zero
  CHECK(small.choices()[0].density == 1);
}

TEST_CASE("a plan runs layers that are small in its own forms, however dense", "[deploy][plan]") {
  const auto cfg = std::filesystem::path(SERPETTE_TESTS).parent_path() / "share/demo";
  const ReferenceNetwork network(load_cfg(cfg / "yolov3-slim.cfg"), Seed(1));
  const auto small = pruned(network, Filter{.ratio_of = RatioOf::kFilters}, 75);
  auto plan = make_plan(small, {.measure = false});
  CHECK((forms(plan) == std::set{Form::kWeights, Form::kKernels}));
  CHECK(std::all_of(plan.choices().begin(), plan.choices().end(),
                    [](const auto& choice) { return choice.density == 1; }));
  const auto images = images_for(network.graph(), 1);
  CHECK(relative_error(plan.forward(images), small.forward(images)) < 1e-4);
}

TEST_CASE("equal plans by rule give equal bits, whatever the threads", "[deploy][plan]") {
  const ReferenceNetwork network(random_graph(Seed(3)), Seed(3));
  const auto masked = pruned(network, Weight{}, 90);
  const auto images = images_for(network.graph(), 1);
  const int threads = at::get_num_threads();
  std::vector<std::vector<at::Tensor>> heads;
  for (const int n : {1, 2, 1}) {
    at::set_num_threads(n);
    auto plan = make_plan(masked, {.measure = false});
    heads.push_back(plan.forward(images));
  }
  at::set_num_threads(threads);
  for (std::size_t h = 0; h < heads[0].size(); ++h) {
    CHECK(heads[0][h].equal(heads[1][h]));
    CHECK(heads[0][h].equal(heads[2][h]));
  }
}

TEST_CASE("a plan refuses images that do not fit", "[deploy][plan]") {
  const ReferenceNetwork network(random_graph(Seed(3)), Seed(3));
  auto plan = make_plan(pruned(network, Weight{}, 90));
  CHECK_THROWS_WITH(plan.forward(at::rand({1, 3, 5, 5})),
                    Catch::Matchers::StartsWith("images: shape should be"));
  CHECK_THROWS_WITH(plan.forward(images_for(network.graph(), 1).to(at::kDouble)),
                    "images: should be float on the CPU, got Double on cpu");
}
