// The form that docs/guides/extend.md writes.

#include "serpette/torch/nn.hpp"

#include "serpette/deploy/plan.hpp"
#include "support/catch.hpp"
#include "support/random_graph.hpp"
#include "support/reference_network.hpp"

namespace {

// [form]
/// A convolution as one matrix product over windows that are laid out side by side.
struct Unfolded {
  static constexpr std::string_view name = "unfolded";
  static constexpr auto layout = serpette::deploy::Layout::kPlanes;
  static constexpr bool adds_residual = false;

  struct Prepared {
    serpette::Convolutional settings;
    at::Tensor weight;  // [C_out, C_in · k · k]
    at::Tensor bias;    // [C_out, 1]
  };

  static bool fits(const serpette::deploy::FoldedLayer& layer) {
    return layer.settings.groups == 1;
  }

  static double cost(const serpette::deploy::FoldedLayer& layer) { return 2 * layer.macs() + 5e6; }

  static Prepared prepare(const serpette::deploy::FoldedLayer& layer) {
    const int filters = layer.settings.filters;
    return {layer.settings,
            tensor(layer.weight.data(), {filters, std::ssize(layer.weight) / filters}),
            tensor(layer.bias.data(), {filters, 1})};
  }

  static void run(const Prepared& p, const serpette::deploy::FormInput& input) {
    const auto& [filters, size, stride, padding, groups, batch_norm, activation] = p.settings;
    const auto& [channels, height, width] = input.x.shape;
    const auto x = at::from_blob(const_cast<float*>(input.x.data), {1, channels, height, width});
    const auto windows = at::im2col(x, {size, size}, {1, 1}, {padding, padding}, {stride, stride});
    auto sums = at::from_blob(input.y.data, {filters, input.y.cells()});
    at::addmm_out(sums, p.bias, p.weight, windows.squeeze(0));
    at::leaky_relu_(sums, input.finish.slope);
  }

 private:
  /// A copy of numbers.
  static at::Tensor tensor(const float* numbers, at::IntArrayRef sizes) {
    return at::from_blob(const_cast<float*>(numbers), sizes).clone();
  }
};
static_assert(serpette::deploy::Form<Unfolded>);

using MyPlan = serpette::deploy::PlanOf<Unfolded, serpette::deploy::WeightsForm>;
// [form]
// LibTorch would be on one thread within a plan's parallel region.
static_assert(!MyPlan::List::kAreWorkersForms && serpette::deploy::Plan::List::kAreWorkersForms);

}  // namespace

using namespace serpette;

TEST_CASE("a plan computes with a form of one's own", "[deploy][plan]") {
  for (std::uint64_t i = 0; i < 6; ++i) {
    const test::ReferenceNetwork network(test::random_graph(Seed(i)), Seed(i));
    const auto& in = network.graph().input;
    const auto images = at::rand({2, in.channels, in.height, in.width});
    deploy::Choices choices;
    for (const int c : network.graph().convolutions())
      choices[network.graph()[c].name] =
          network.graph().convolution(c).groups == 1 ? "unfolded" : "weights";
    auto plan = deploy::make_plan<MyPlan>(network, {.choices = choices});
    CHECK(test::relative_error(plan.forward(images), network.forward(images)) < 1e-4);
    for (const auto& choice : plan.choices()) CHECK(choices.at(choice.layer) == choice.form);
  }
}

TEST_CASE("a network with a layer that no form fits has no plan", "[deploy][plan]") {
  using Alone = deploy::PlanOf<deploy::WinogradForm>;
  const test::ReferenceNetwork network(test::random_graph(Seed(1)), Seed(1));
  CHECK_THROWS_WITH(deploy::make_plan<Alone>(network),
                    Catch::Matchers::StartsWith("plan: no form fits a convolution of"));
}
