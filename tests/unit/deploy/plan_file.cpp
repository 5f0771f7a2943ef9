#include "serpette/deploy/plan_file.hpp"

#include <chrono>
#include <cstring>
#include <fstream>

#include "serpette/deploy/plan.hpp"
#include "serpette/prune/filter.hpp"
#include "serpette/prune/kernel.hpp"
#include "serpette/prune/weight.hpp"
#include "support/catch.hpp"
#include "support/equal.hpp"
#include "support/pruned_network.hpp"
#include "support/random_graph.hpp"
#include "support/reference_network.hpp"
#include "support/scratch.hpp"
#include "support/small_graphs.hpp"

#include "serpette/laws/prune_granularity.hpp"

using namespace serpette;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;
using deploy::load_plan;
using deploy::make_plan;
using deploy::save_plan;
using serpette::test::equal;
using serpette::test::images_for;
using serpette::test::pruned;
using serpette::test::ReferenceNetwork;

namespace {

/// A form that nobody can write.
struct Silent {
  static constexpr std::string_view name = "silent";
  static constexpr auto layout = deploy::Layout::kPlanes;
  static constexpr bool adds_residual = false;
  struct Prepared {};
  static bool fits(const deploy::FoldedLayer&) { return true; }
  static double cost(const deploy::FoldedLayer&) { return 1; }
  static Prepared prepare(const deploy::FoldedLayer&) { return {}; }
  static void run(const Prepared&, const deploy::FormInput&) {}
};

}  // namespace

TEMPLATE_TEST_CASE("a plan that is read computes the same bits", "[deploy][plan_file]", Weight,
                   Kernel, Filter) {
  const test::Scratch folder;
  const auto path = folder.path() / "network.plan";
  for (std::uint64_t i = 0; i < 12; ++i) {
    const ReferenceNetwork network(i == 0 ? test::all_kinds() : test::random_graph(Seed(i)),
                                   Seed(i));
    INFO("graph " << i << "\n" << write_cfg(network.graph()));
    const auto images = images_for(network.graph(), 2);
    for (const int percent : {0, 60, 95}) {
      auto plan = make_plan(pruned(network, TestType{}, percent), {.measure = false});
      save_plan(plan, path);
      auto again = load_plan(path);
      CHECK(equal(again.forward(images), plan.forward(images)));
      CHECK(deploy::write_choices(again.choices()) == deploy::write_choices(plan.choices()));
      CHECK(again.choices().front().density == plan.choices().front().density);
      CHECK(write_cfg(again.graph()) == write_cfg(plan.graph()));
      CHECK(deploy::write_plan(again) == deploy::write_plan(plan));
    }
  }
}

TEST_CASE("every form can be kept", "[deploy][plan_file]") {
  const test::Scratch folder;
  const auto path = folder.path() / "network.plan";
  const ReferenceNetwork network(test::all_kinds(), Seed(1));
  const auto images = images_for(network.graph(), 2);
  for (const std::string form : {"winograd", "direct", "weights", "shifted_weights", "kernels"}) {
    deploy::Choices choices;
    for (const int i : network.graph().convolutions()) {
      const auto& c = network.graph().convolution(i);
      const bool fits =
          form == "direct"                          ? c.groups == 1
          : form == "winograd" || form == "kernels" ? c.groups == 1 && c.size == 3 && c.stride == 1
          : form == "shifted_weights"
              ? deploy::ShiftedWeightsForm::fits(deploy::folded_layer(network.graph(), i))
              : true;
      choices[network.graph()[i].name] = fits ? form : "weights";
    }
    auto plan = make_plan(network, {.choices = choices});
    save_plan(plan, path);
    CHECK(equal(load_plan(path).forward(images), plan.forward(images)));
  }
}

TEST_CASE("class names and colours travel with a plan", "[deploy][plan_file]") {
  const test::Scratch folder;
  const auto path = folder.path() / "network.plan";
  auto plan = make_plan(ReferenceNetwork(test::tiny_graph(), Seed(1)), {.measure = false});
  save_plan(plan, path);
  CHECK(load_plan(path).labels == deploy::PlanLabels{});
  for (int c = 0; c < plan.graph().classes(); ++c)
    plan.labels.class_names.push_back(fmt::format("née {}\n", c));
  plan.labels.greyscale = true;
  save_plan(plan, path);
  CHECK(load_plan(path).labels == plan.labels);
  plan.labels.class_names.emplace_back("one more");
  save_plan(plan, path);
  CHECK_THROWS_WITH(load_plan(path), ContainsSubstring("classes or none, got"));
}

TEST_CASE("a plan outlives its file", "[deploy][plan_file]") {
  const test::Scratch folder;
  const auto path = folder.path() / "network.plan";
  const ReferenceNetwork network(test::tiny_graph(), Seed(1));
  const auto images = images_for(network.graph(), 1);
  auto plan = make_plan(network, {.measure = false});
  save_plan(plan, path);
  auto again = load_plan(path);
  save_plan(make_plan(ReferenceNetwork(test::tiny_graph(), Seed(2)), {.measure = false}), path);
  std::filesystem::remove(path);
  CHECK(equal(again.forward(images), plan.forward(images)));
}

TEST_CASE("what is no whole plan of this version and machine is refused by name",
          "[deploy][plan_file]") {
  const test::Scratch folder;
  const auto path = folder.path() / "network.plan";
  const ReferenceNetwork network(test::tiny_graph(), Seed(1));
  const auto whole = deploy::write_plan(make_plan(network, {.measure = false}));
  const auto refused = [&](const std::string& bytes, const std::string& message) {
    write_file(path, bytes);
    CHECK_THROWS_MATCHES(load_plan(path), Error, MessageMatches(ContainsSubstring(message)));
  };
  refused("", "should be a plan file");
  refused("[net]\nwidth=16\n", "should be a plan file");
  refused(whole.substr(0, 100), "should be a plan file");
  for (const std::size_t size : {std::size_t{128}, std::size_t{200}, whole.size() - 1})
    refused(whole.substr(0, size), "it is incomplete");
  refused(whole + 'x', "it is incomplete");

  Generator rng(Seed(3));
  for (int i = 0; i < 200; ++i) {  // any bit behind the header
    auto bytes = whole;
    const auto at = 128 + rng.below(whole.size() - 128);
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << rng.below(8)));
    refused(bytes, "it is damaged");
  }
  auto of_tomorrow = whole;
  of_tomorrow[16] = 77;
  refused(of_tomorrow, fmt::format("should be a plan of version {}, got 77", deploy::kPlanVersion));
  auto of_yesterday = whole;
  of_yesterday[16] = 3;
  refused(of_yesterday, fmt::format("should be a plan of version {}, got 3: write it anew",
                                    deploy::kPlanVersion));
  auto elsewhere = whole;
  std::memcpy(elsewhere.data() + 40, "AVX9 with 64, 64 and 8 lanes", 29);
  refused(elsewhere, "got one for AVX9 with 64, 64 and 8 lanes");
  CHECK_THROWS_MATCHES(load_plan(folder.path() / "none"), Error,
                       MessageMatches(ContainsSubstring("should be a readable file")));
}

TEST_CASE("images of another size than a plan was made for are refused", "[deploy][plan_file]") {
  const test::Scratch folder;
  const auto path = folder.path() / "network.plan";
  save_plan(make_plan(ReferenceNetwork(test::tiny_graph(), Seed(1)), {.measure = false}), path);
  auto plan = load_plan(path);
  CHECK_THROWS_WITH(plan.forward(at::rand({1, 3, 24, 16})),
                    ContainsSubstring("shape should be [N, 3, 16, 16]"));
  CHECK_THROWS_WITH(plan.forward(at::rand({1, 3, 16, 16}, at::kDouble)),
                    ContainsSubstring("should be float on the CPU"));
}

TEST_CASE("a file with a form that the reader does not have is refused by the layer's name",
          "[deploy][plan_file]") {
  using Sparse = deploy::PlanOf<deploy::WeightsForm>;
  static_assert(deploy::Form<Silent> && !deploy::KeptForm<Silent>);
  static_assert(!deploy::KeptPlan<deploy::PlanOf<Silent, deploy::DirectForm>>);
  const test::Scratch folder;
  const auto path = folder.path() / "network.plan";
  const ReferenceNetwork network(test::tiny_graph(), Seed(1));
  deploy::Choices choices;
  for (const int i : network.graph().convolutions()) choices[network.graph()[i].name] = "direct";
  save_plan(make_plan(network, {.choices = choices}), path);
  CHECK_THROWS_WITH(load_plan<Sparse>(path),
                    ContainsSubstring("conv_0 should have one of the forms weights, got 'direct'"));
}
