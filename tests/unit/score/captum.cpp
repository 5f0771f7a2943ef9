#include <fstream>
#include <nlohmann/json.hpp>

#include "serpette/detector/yolov3.hpp"
#include "serpette/score/attribution.hpp"
#include "serpette/score/deep_lift_layer.hpp"
#include "support/catch.hpp"
#include "support/tiny_detector.hpp"

using namespace serpette;

namespace {

/// The picture that the generator draws.
at::Tensor picture(int side) {
  auto x = torch::empty({1, 3, side, side});
  for (int c = 0; c < 3; ++c)
    for (int i = 0; i < side; ++i)
      for (int j = 0; j < side; ++j) x[0][c][i][j] = (29 * c + 7 * i + 13 * j + i * j) % 32 / 31.0;
  return x;
}

/// The same network in double precision.
test::TinyDetector in_double(const Yolov3& net) {
  test::TinyDetector copy(net.graph(), Seed(0), torch::kDouble);
  test::copy_parameters(net, copy);
  return copy;
}

/// @param floor  smallest size a filter's sum is measured by, as a multiple of the layer's mean
/// size.
void compare(const Attribution& attribution, const Yolov3& net, const at::Tensor& x,
             const at::Tensor& truth, const nlohmann::json& golden, double tolerance,
             double floor) {
  const auto now = attribution.run(x);
  const auto target = net.targets(attribution.heads(now), truth);

  // The target is the six logits that the generator's own assignment names.
  double ones = 0;
  for (const auto& t : target) ones += t.sum().item<double>();
  CHECK(ones == 6);
  for (const auto& p : golden["places"])
    CHECK(target[p[0].get<std::size_t>()][0][p[1].get<int>()][p[2].get<int>()][p[3].get<int>()]
              .item<double>() == 1);

  for (const auto& [name, value] : {std::pair{"zeros", 0.0}, std::pair{"letterbox grey", 0.5}}) {
    const auto& expected = golden["references"][name];
    const auto then = attribution.run(torch::full_like(x, value));
    std::size_t compared = 0;
    attribution.explain(now, then, target, [&](std::size_t i, const at::Tensor& sums) {
      const int index = net.graph().convolutions()[i];
      INFO(name << ", " << net.graph()[index].name);
      const auto ours = (attribution.weight(i) * sums).sum({1, 2, 3}).to(torch::kDouble);
      const auto theirs = torch::tensor(
          expected["filters"][std::to_string(index)].get<std::vector<double>>(), torch::kDouble);
      REQUIRE(ours.sizes() == theirs.sizes());
      const auto size =
          theirs.abs().clamp_min(std::max(1e-30, floor * theirs.abs().mean().item<double>()));
      CHECK(((ours - theirs).abs() / size).max().item<double>() < tolerance);
      ++compared;
    });
    CHECK(compared == net.graph().convolutions().size());
  }
}

}  // namespace

TEST_CASE("DeepLIFT's sums per filter equal Captum's LayerDeepLift", "[score][deep_lift][golden]") {
  const auto golden = nlohmann::json::parse(std::ifstream(test::file("golden/deep_lift.json")));
  const auto net =
      Yolov3::load(test::file("golden/deep_lift.cfg"), test::file("golden/deep_lift.weights"));
  const auto x = picture(net.graph().input.height);
  auto truth = torch::empty({3, 6});
  for (int m = 0; m < 3; ++m)
    for (int k = 0; k < 6; ++k) truth[m][k] = golden["truth"][m][k].get<double>();

  // In double precision every filter is held to its own size; in single precision, where positions
  // cancel, to at least the layer's mean.
  compare(Attribution(in_double(net)), net, x.to(torch::kDouble), truth, golden, 1e-8, 0);
  compare(Attribution(net), net, x, truth, golden, 1e-4, 1);
}

TEST_CASE("DeepLiftLayer spreads Captum's layer attribution by |w|", "[score][deep_lift][golden]") {
  const auto golden = nlohmann::json::parse(std::ifstream(test::file("golden/deep_lift.json")));
  auto net =
      Yolov3::load(test::file("golden/deep_lift.cfg"), test::file("golden/deep_lift.weights"));
  ImageBatch batch;
  batch.images = picture(net.graph().input.height);
  batch.truth = torch::empty({3, 6});
  for (int m = 0; m < 3; ++m)
    for (int k = 0; k < 6; ++k) batch.truth[m][k] = golden["truth"][m][k].get<double>();
  Generator rng{Seed(0)};
  const auto scores = DeepLiftLayer{.target = Target::kDetection}.score_all(
      net, std::vector<ImageBatch>{batch}, rng);
  const auto convolutions = net.graph().convolutions();
  for (std::size_t i = 0; i < scores.size(); ++i) {
    INFO(net.graph()[convolutions[i]].name);
    const auto filters =
        torch::tensor(golden["references"]["zeros"]["filters"][std::to_string(convolutions[i])]
                          .get<std::vector<double>>())
            .abs();
    const auto w = net.layer(convolutions[i]).weight.detach().abs();
    const auto expected = w / w.sum({1, 2, 3}, true) * filters.view({-1, 1, 1, 1});
    CHECK((scores[i] - expected).abs().max().item<double>() < 1e-4 * expected.max().item<double>());
  }
}
