#include "serpette/deploy/plan.hpp"

#include <ATen/Parallel.h>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <set>
#include <thread>

#include "serpette/laws/prune_granularity.hpp"
#include "serpette/prune/filter.hpp"
#include "serpette/prune/kernel.hpp"
#include "serpette/prune/weight.hpp"
#include "support/catch.hpp"
#include "support/graph_builder.hpp"
#include "support/pruned_network.hpp"
#include "support/random_graph.hpp"
#include "support/reference_network.hpp"

using namespace serpette;
using deploy::make_plan;
using serpette::test::images_for;
using serpette::test::pruned;
using serpette::test::random_graph;
using serpette::test::ReferenceNetwork;
using serpette::test::relative_error;

namespace {
std::set<std::string> forms(const deploy::Plan& plan) {
  std::set<std::string> found;
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
  const auto are_among = [](const deploy::Plan& plan, const std::set<std::string>& allowed) {
    const auto found = forms(plan);
    return std::ranges::includes(allowed, found);
  };
  // Three channels of planes, as the image has, suit the form of whole kernels.
  const std::set<std::string> dense{"direct", "winograd", "kernels"};
  auto whole = make_plan(network, by_rule);
  CHECK(are_among(whole, dense));
  CHECK(forms(whole).contains("winograd"));
  const auto images = images_for(network.graph(), 1);
  CHECK(relative_error(whole.forward(images), network.forward(images)) < 1e-4);
  CHECK(
      are_among(make_plan(pruned(network, Weight{}, 97), by_rule), {"weights", "shifted_weights"}));
  const auto few_kernels = make_plan(pruned(network, Kernel{}, 97), by_rule);
  CHECK(are_among(few_kernels, {"weights", "shifted_weights", "kernels"}));
  CHECK(forms(few_kernels).contains("kernels"));
  CHECK(forms(few_kernels).size() > 1);  // those of 1×1 and of stride 2 are weight by weight
  const auto small = make_plan(pruned(network, Filter{.ratio_of = RatioOf::kFilters}, 50), by_rule);
  CHECK(small.graph()[0].output.channels == 8);  // the mask's removed filters are gone, not zero
  CHECK(small.choices()[0].density == 1);
}

TEST_CASE("a plan runs layers that are small in forms of our own, however dense",
          "[deploy][plan]") {
  const auto cfg = std::filesystem::path(SERPETTE_TESTS).parent_path() / "share/demo";
  const ReferenceNetwork network(load_cfg(cfg / "yolov3-slim.cfg"), Seed(1));
  const auto small = pruned(network, Filter{.ratio_of = RatioOf::kFilters}, 75);
  auto plan = make_plan(small, {.measure = false});
  CHECK(std::all_of(plan.choices().begin(), plan.choices().end(),
                    [](const auto& choice) { return choice.density == 1; }));
  const auto images = images_for(network.graph(), 1);
  CHECK(relative_error(plan.forward(images), small.forward(images)) < 1e-4);
}

TEST_CASE("any form that fits can be given to any layer, and what a plan chose to the next plan",
          "[deploy][plan]") {
  for (std::uint64_t i = 0; i < 10; ++i) {
    const ReferenceNetwork network(random_graph(Seed(i)), Seed(i));
    const auto masked = pruned(network, Weight{}, 50);
    const auto images = images_for(network.graph(), 2);
    const auto expected = masked.forward(images);
    auto chosen = make_plan(masked, {.measure = false});
    const auto& graph = chosen.graph();
    Generator rng{Seed(i)};
    deploy::Choices mixed;
    for (const int c : graph.convolutions()) {
      const auto& conv = graph.convolution(c);
      std::vector<std::string> fitting{"weights"};
      if (deploy::ShiftedWeightsForm::fits(deploy::folded_layer(graph, c)))
        fitting.emplace_back("shifted_weights");
      if (conv.groups == 1) fitting.emplace_back("direct");
      if (conv.size == 3 && conv.stride == 1 && conv.groups == 1) {
        fitting.emplace_back("kernels");
        fitting.emplace_back("winograd");
      }
      mixed[graph[c].name] = fitting[rng.below(fitting.size())];
    }
    auto plan = make_plan(masked, {.choices = mixed});
    INFO("graph " << i << "\n"
                  << write_cfg(network.graph()) << "\n"
                  << deploy::write_choices(plan.choices()));
    CHECK(relative_error(plan.forward(images), expected) < 1e-4);
    CHECK(relative_error(plan.forward(images), expected) < 1e-4);
    for (const auto& choice : plan.choices()) CHECK(mixed.at(choice.layer) == choice.form);

    const auto kept = deploy::write_choices(chosen.choices());
    auto again = make_plan(masked, {.choices = deploy::parse_choices(kept)});
    CHECK(deploy::write_choices(again.choices()) == kept);
    const auto first = chosen.forward(images), second = again.forward(images);
    for (std::size_t h = 0; h < first.size(); ++h) CHECK(first[h].equal(second[h]));
  }
}

TEST_CASE("choices that do not fit are refused by name", "[deploy][plan]") {
  const ReferenceNetwork network(random_graph(Seed(3)), Seed(3));
  const auto with = [&](deploy::Choices choices) {
    return make_plan(network, {.choices = std::move(choices)});
  };
  CHECK_THROWS_WITH(with({{"conv_99", "direct"}}), "choices: should name a form for conv_0");
  CHECK_THROWS_WITH(
      with({{"conv_0", "quick"}}),
      "choices: conv_0 cannot be 'quick': there is no such form here, or it does not fit");
  CHECK(deploy::parse_choices("# kept\n\nconv_0 direct\n conv_1  weights\n") ==
        deploy::Choices{{"conv_0", "direct"}, {"conv_1", "weights"}});
  CHECK_THROWS_WITH(deploy::parse_choices("conv_0\n", "plan.txt"),
                    "plan.txt: line 1 should be a layer and a form, got 'conv_0'");
  CHECK_THROWS_WITH(deploy::parse_choices("a b\na c\n", "plan.txt"),
                    "plan.txt: line 2 names a a second time");
}

TEST_CASE("times within the noise leave the choice to the model, and a busy machine altogether",
          "[deploy][plan]") {
  using deploy::settled_costs;
  const auto best = [](const std::vector<double>& costs) {
    return std::ranges::min_element(costs) - costs.begin();
  };
  const std::vector<double> model{100, 120, 90, 1e9};
  CHECK(best(settled_costs(model, {1.0, 0.5, 1.2, 0}, 0.02)) == 1);   // clearly faster
  CHECK(best(settled_costs(model, {1.0, 0.97, 1.2, 0}, 0.02)) == 0);  // as fast: the model's
  CHECK(best(settled_costs(model, {1.0, 0.85, 1.2, 0}, 0.2)) == 0);   // within that noise
  CHECK(settled_costs(model, {1.0, 0.5, 1.2, 0}, 0.5) == model);      // too noisy to listen
  CHECK(settled_costs(model, {0, 0, 0, 0}, 0) == model);
  CHECK(settled_costs(model, {1.0, 0.5, 1.2, 0}, 0.02)[3] == 1e9);  // not timed
}

TEST_CASE("what is behind by the clock and by the model is timed no more", "[deploy][plan]") {
  const auto turns = [](const std::vector<double>& model) {
    std::vector<int> calls(model.size(), 0);
    const auto timing = deploy::time_in_turns(model, 5, [&](std::size_t i) {
      ++calls[i];
      std::this_thread::sleep_for(std::chrono::microseconds(i == 1 ? 30'000 : 1'000));
    });
    for (const double seconds : timing.best) CHECK(seconds > 0);
    return calls;
  };
  const auto agreed = turns({1, 2, 1});
  CHECK(agreed[1] < agreed[0]);
  CHECK(agreed[0] == agreed[2]);
  const auto contested = turns({2, 1, 2});  // the clock alone may be wrong
  CHECK(contested[1] == contested[0]);
}

TEST_CASE("noise is what lies between the bests of every other turn", "[deploy][plan]") {
  const auto noise = [](const auto& milliseconds_of_turn) {
    int turn = 0;
    return deploy::time_in_turns({1.0}, 9,
                                 [&](std::size_t) {
                                   std::this_thread::sleep_for(
                                       std::chrono::milliseconds(milliseconds_of_turn(turn++)));
                                 })
        .noise;
  };
  CHECK(noise([](int turn) { return turn == 4 ? 40 : 4; }) < 0.5);  // one turn is no noise
  CHECK(noise([](int turn) { return turn % 2 == 0 ? 12 : 4; }) > 1);
}

TEST_CASE("one thing is timed at a time, whatever its type", "[deploy][plan]") {
  std::atomic<int> inside = 0, most = 0;
  const auto work = [&] {
    const int now = ++inside;
    if (now > most) most = now;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    --inside;
  };
  std::thread other([&] { (void)deploy::time_in_turns({1.0}, 20, [&](std::size_t) { work(); }); });
  (void)deploy::time_in_turns({1.0}, 20, [&](std::size_t) { work(); });  // a lambda of its own type
  other.join();
  CHECK(most == 1);
}

TEST_CASE("a shortcut that a convolution finishes may add the image", "[deploy][plan]") {
  const Convolutional conv{.filters = 3, .size = 3, .padding = 1, .activation = Activation::kLeaky};
  const ReferenceNetwork network(
      test::GraphBuilder({3, 20, 24}).conv(conv).shortcut(kImage).conv(conv).head(2).done(),
      Seed(5));
  const auto images = test::images_for(network.graph(), 2);
  const std::string form = GENERATE("direct", "winograd", "weights");
  deploy::PlanOptions options{.measure = false};
  for (const int i : network.graph().convolutions())
    options.choices[network.graph()[i].name] =
        network.graph().convolution(i).size == 1 && form == "winograd" ? "direct" : form;
  auto plan = deploy::make_plan(network, options);
  CHECK(relative_error(plan.forward(images), network.forward(images)) < 1e-4);
}

TEST_CASE("layouts that change between layers count, so that lone gains do not", "[deploy][plan]") {
  using deploy::Layout;
  test::GraphBuilder builder({8, 20, 20});
  for (int i = 0; i < 5; ++i) builder.conv({.filters = 8, .size = 3, .padding = 1});
  const Graph graph = builder.done();
  const double change = deploy::kLayoutChange * 8 * 20 * 20;
  // Form 1 wins in the middle layer alone, by less and by more than changing there and back.
  std::vector<std::vector<double>> costs(5, {10 * change, 11 * change});
  costs[2][1] = 9 * change;
  const std::vector<Layout> layouts{Layout::kChannelsLast, Layout::kPlanes};
  CHECK(deploy::Assignment(graph, costs, layouts, {false, false}).best() ==
        std::vector<std::size_t>{0, 0, 0, 0, 0});
  costs[2][1] = 7 * change;
  CHECK(deploy::Assignment(graph, costs, layouts, {false, false}).best() ==
        std::vector<std::size_t>{0, 0, 1, 0, 0});
}

TEST_CASE("what two layers keep rounded counts, so that a form may be worth it for its neighbours",
          "[deploy][plan]") {
  using deploy::Layout;
  test::GraphBuilder builder({8, 20, 20});
  const Convolutional conv{.filters = 8, .size = 3, .padding = 1, .activation = Activation::kLeaky};
  for (int i = 0; i < 4; ++i) builder.conv(conv);
  builder.shortcut(1).conv(conv);
  const Graph graph = builder.done();
  const double saved = deploy::kStaysRounded * 8 * 20 * 20;
  // Form 1 rounds: better at both ends, worse between, by less and by more than it saves there.
  std::vector<std::vector<double>> costs(5, {10 * saved, 9 * saved});
  costs[2][1] = 11.9 * saved;
  const auto best = [&] {
    return deploy::Assignment(graph, costs, {Layout::kChannelsLast, Layout::kChannelsLast},
                              {false, true})
        .best();
  };
  CHECK(best() == std::vector<std::size_t>{1, 1, 1, 1, 1});
  costs[2][1] = 12.1 * saved;
  CHECK(best() == std::vector<std::size_t>{1, 1, 0, 1, 1});
  // Through a shortcut, which the convolution before it finishes.
  costs[4][1] = 10.9 * saved;
  CHECK(best() == std::vector<std::size_t>{1, 1, 0, 1, 1});
  costs[4][1] = 11.1 * saved;
  CHECK(best() == std::vector<std::size_t>{1, 1, 0, 1, 0});
  // All of them, though none by itself.
  for (auto& of_layer : costs) of_layer[1] = 10.3 * saved;
  CHECK(best() == std::vector<std::size_t>{1, 1, 1, 1, 1});
}

TEST_CASE("what cannot stay rounded saves nothing, and half where floats are wanted, too",
          "[deploy][plan]") {
  using deploy::Layout;
  const double saved = deploy::kStaysRounded * 8 * 20 * 20;
  const auto total = [&](const Graph& graph) {
    const std::size_t n = graph.convolutions().size();
    return deploy::Assignment(graph, std::vector<std::vector<double>>(n, {10 * saved}),
                              {Layout::kChannelsLast}, {true})
               .total(std::vector<std::size_t>(n, 0)) /
           saved;
  };
  const auto conv = [](Activation activation) {
    return Convolutional{.filters = 8, .size = 3, .padding = 1, .activation = activation};
  };
  const auto three = [&](Activation activation) {
    test::GraphBuilder builder({8, 20, 20});
    for (int i = 0; i < 3; ++i) builder.conv(conv(activation));
    return builder;
  };
  const auto near = [](double wanted) { return Catch::Matchers::WithinAbs(wanted, 1e-9); };
  const double image = deploy::kLayoutChange / deploy::kStaysRounded;  // into channels-last
  CHECK_THAT(total(three(Activation::kLeaky).done()), near(30 + image - 2));
  CHECK_THAT(total(three(Activation::kMish).done()), near(30 + image));
  CHECK_THAT(total(three(Activation::kLeaky).route({0, 2}).done()), near(30 + image - 1.5));
  // A shortcut that a convolution finishes has its map; one behind a map that others read has none.
  CHECK_THAT(total(three(Activation::kLeaky).shortcut(0).conv(conv(Activation::kLeaky)).done()),
             near(40 + image - 3));
  CHECK_THAT(
      total(three(Activation::kLeaky).shortcut(0).conv(conv(Activation::kLeaky)).route({2}).done()),
      near(40 + image - 1.5));
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

TEST_CASE("a plan's heads are float, whatever type tensors have by default", "[deploy][plan]") {
  const ReferenceNetwork network(random_graph(Seed(3)), Seed(3));
  const auto images = images_for(network.graph(), 1);
  auto plan = make_plan(network, {.measure = false});
  const auto expected = plan.forward(images);
  struct DoubleByDefault {
    caffe2::TypeMeta before = c10::get_default_dtype();
    DoubleByDefault() { c10::set_default_dtype(caffe2::TypeMeta::Make<double>()); }
    ~DoubleByDefault() { c10::set_default_dtype(before); }
  };
  const DoubleByDefault everywhere;
  const auto heads = plan.forward(images);
  REQUIRE(heads.size() == expected.size());
  for (std::size_t h = 0; h < heads.size(); ++h) CHECK(heads[h].equal(expected[h]));
}

TEST_CASE("layers are timed on one image", "[deploy][plan]") {
  const ReferenceNetwork network(random_graph(Seed(3)), Seed(3));
  auto plan = make_plan(network, {.measure = false});
  for (const int n : {2, 0})
    CHECK_THROWS_WITH(plan.layer_seconds(images_for(network.graph(), n)),
                      fmt::format("image: should be one, got {}", n));
  CHECK(plan.layer_seconds(images_for(network.graph(), 1)).size() ==
        static_cast<std::size_t>(plan.graph().size()));
}

TEST_CASE("a plan refuses images that do not fit", "[deploy][plan]") {
  const ReferenceNetwork network(random_graph(Seed(3)), Seed(3));
  auto plan = make_plan(pruned(network, Weight{}, 90));
  CHECK_THROWS_WITH(plan.forward(at::rand({1, 3, 5, 5})),
                    Catch::Matchers::StartsWith("images: shape should be"));
  CHECK_THROWS_WITH(plan.forward(images_for(network.graph(), 1).to(at::kDouble)),
                    "images: should be float on the CPU, got Double on cpu");
}

TEST_CASE("a plan knows which layers have work of their own", "[deploy][plan]") {
  const Convolutional conv{.filters = 8, .size = 3, .padding = 1, .activation = Activation::kLeaky};
  const ReferenceNetwork network(
      test::GraphBuilder({3, 16, 16}).conv(conv).conv(conv).shortcut(0).route({2}).head(2).done(),
      Seed(1));
  const auto plan = make_plan(network, {.measure = false});
  // The second convolution finishes the shortcut; route and head hand on what they read.
  const std::vector<bool> expected{true, true, false, false, true, false};
  REQUIRE(plan.graph().size() == 6);
  for (int i = 0; i < 6; ++i) CHECK(plan.has_work(i) == expected[static_cast<std::size_t>(i)]);
}
