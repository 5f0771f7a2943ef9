#include "serpette/score/reveal_cancel.hpp"

#include <fstream>
#include <nlohmann/json.hpp>

#include "serpette/concepts/erased.hpp"
#include "serpette/score/deep_lift.hpp"
#include "serpette/score/deep_lift_layer.hpp"
#include "serpette/score/deep_lift_trained.hpp"
#include "serpette/torch/nn.hpp"
#include "support/catch.hpp"
#include "support/small_graphs.hpp"
#include "support/tiny_detector.hpp"

using namespace serpette;
using test::GraphBuilder;
using test::TinyDetector;

namespace {

at::Tensor numbers(const nlohmann::json& list, at::IntArrayRef shape) {
  return torch::tensor(list.get<std::vector<double>>(), torch::kDouble).view(shape);
}

/// Signed contributions of one image's weights.
std::vector<at::Tensor> contributions(const Attribution& net, const at::Tensor& x,
                                      const at::Tensor& x0, const std::vector<at::Tensor>& target) {
  const auto now = net.run(x), then = net.run(x0);
  std::vector<at::Tensor> found(net.graph().convolutions().size());
  net.walk(RevealCancel(net, now, then), target,
           [&](std::size_t i, const at::Tensor& sums) { found[i] = net.weight(i) * sums; });
  return found;
}

}  // namespace

TEST_CASE("RevealCancel equals plain loops over the paper's rule",
          "[score][reveal_cancel][golden]") {
  const auto golden = nlohmann::json::parse(std::ifstream(test::file("golden/reveal_cancel.json")));
  TinyDetector detector(
      GraphBuilder({2, 5, 5})
          .conv({.filters = 3, .size = 3, .padding = 1, .activation = Activation::kLeaky})
          .conv({.filters = 4,
                 .size = 3,
                 .stride = 2,
                 .padding = 1,
                 .activation = Activation::kLogistic})
          .conv({.filters = 4, .activation = Activation::kRelu})
          .head(1)
          .done(),
      Seed(1), torch::kDouble);
  const auto convolutions = detector.graph().convolutions();
  {
    const at::NoGradGuard no_grad;
    for (std::size_t i = 0; i < convolutions.size(); ++i) {
      const auto layer = detector.layer(convolutions[i]);
      layer.weight.copy_(numbers(golden["layers"][i]["w"], layer.weight.sizes()));
      layer.bias.copy_(numbers(golden["layers"][i]["b"], layer.bias.sizes()));
    }
  }
  const auto found =
      contributions(Attribution(detector), numbers(golden["x"], {1, 2, 5, 5}),
                    numbers(golden["x0"], {1, 2, 5, 5}), {numbers(golden["seed"], {1, 6, 3, 3})});
  for (std::size_t i = 0; i < found.size(); ++i)
    CHECK(torch::allclose(found[i], numbers(golden["layers"][i]["s"], found[i].sizes()), 1e-10,
                          1e-12));
}

TEST_CASE("a network that RevealCancel cannot pass is refused before any work",
          "[score][reveal_cancel]") {
  const auto golden = nlohmann::json::parse(std::ifstream(test::file("golden/opencv_heads.json")));
  const auto gates = parse_cfg(golden["networks"]["gates"]["cfg"].get<std::string>(), "gates");
  constexpr auto kRule = AttributionRule::kRevealCancel;
  const auto refused = [&](const ErasedScore& score) {
    CHECK_THROWS_WITH(score.require_fits(gates),
                      Catch::Matchers::ContainsSubstring("RevealCancel has no rule"));
    CHECK_NOTHROW(score.require_fits(test::tiny_graph()));
  };
  refused(DeepLift{.rule = kRule});
  refused(DeepLiftLayer{.rule = kRule});
  refused(DeepLiftTrained{.start = {.rule = kRule}});
  refused(Normalised<DeepLiftLayer>{.of = {.rule = kRule}});
  CHECK_NOTHROW(ErasedScore(DeepLift{}).require_fits(gates));
}

TEST_CASE("RevealCancel's contributions add up on every layer that cuts the graph",
          "[score][reveal_cancel]") {
  TinyDetector chain(test::tiny_graph(), Seed(5), torch::kDouble),
      kinds(test::all_kinds(), Seed(6), torch::kDouble);
  const auto batch = test::tiny_batch(chain.graph(), 1, Seed(7), torch::kDouble);
  const auto gain = [](TinyDetector& detector, const at::Tensor& x, const at::Tensor& x0,
                       const std::vector<at::Tensor>& target) {
    const at::NoGradGuard no_grad;
    const auto now = detector.forward(x), then = detector.forward(x0);
    double sum = 0;
    for (std::size_t h = 0; h < now.size(); ++h)
      sum += (target[h] * (now[h] - then[h])).sum().item<double>();
    return sum;
  };
  for (const auto reference : {Reference::kZeros, Reference::kImageMean, Reference::kBlurred}) {
    const auto x0 = reference_images(reference, batch.images);
    for (auto* detector : {&chain, &kinds}) {
      const auto target = detector->targets(detector->forward(batch.images), batch.truth);
      const double t = gain(*detector, batch.images, x0, target);
      const auto found = contributions(Attribution(*detector), batch.images, x0, target);
      CHECK(found.front().sum().item<double>() == Catch::Approx(t).epsilon(1e-8));
      if (detector == &chain)
        for (const auto& s : found) CHECK(s.sum().item<double>() == Catch::Approx(t).epsilon(1e-8));
    }
  }
}

TEST_CASE("without a nonlinearity between, both rules agree; DeepLift runs either",
          "[score][reveal_cancel]") {
  const Convolutional plain{
      .filters = 4, .size = 3, .padding = 1, .activation = Activation::kLinear};
  TinyDetector linear(GraphBuilder({3, 8, 8}).conv(plain).head(2).done(), Seed(3), torch::kDouble);
  TinyDetector bent(test::tiny_graph(), Seed(3), torch::kDouble);
  Generator rng(Seed(1));
  for (auto* detector : {&linear, &bent}) {
    const auto batch = test::tiny_batch(detector->graph(), 3, Seed(4), torch::kDouble);
    const auto a = DeepLift{}.score_all(*detector, std::span(&batch, 1), rng);
    const auto b = DeepLift{.rule = AttributionRule::kRevealCancel}.score_all(
        *detector, std::span(&batch, 1), rng);
    const auto agree = [&](std::size_t i) { return torch::allclose(a[i], b[i], 1e-9, 1e-12); };
    CHECK(agree(0) == (detector == &linear));
    CHECK(agree(a.size() - 1));  // behind it nothing bends
  }
}
