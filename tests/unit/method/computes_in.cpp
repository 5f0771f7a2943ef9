#include "serpette/method/computes_in.hpp"

#include <ATen/ops/cosine_similarity.h>

#include <memory>
#include <utility>

#include "serpette/attack/pgd.hpp"
#include "serpette/color/rgb.hpp"
#include "serpette/detector/yolov3.hpp"
#include "serpette/method/train.hpp"
#include "serpette/objective/pgd_adversarial.hpp"
#include "support/catch.hpp"
#include "support/tiny_detector.hpp"

using namespace serpette;
using Catch::Matchers::ContainsSubstring;

namespace {

/// Images of noise on the network's canvas, with a box in each.
ImageBatch noise_with_boxes(const Graph& graph, std::int64_t n) {
  const auto [channels, height, width] = graph.input;
  Generator rng{Seed(5)};
  const auto id = at::arange(n, at::kFloat).view({n, 1});
  const auto box = at::tensor({0.0F, 0.5F, 0.4F, 0.3F, 0.5F}).expand({n, 5});
  return {at::rand({n, channels, height, width}, rng.torch()), at::cat({id, box}, 1),
          std::vector<std::int64_t>(static_cast<std::size_t>(n)),
          std::vector<Letterbox>(static_cast<std::size_t>(n),
                                 Letterbox::fit(width, height, width, height))};
}

at::Tensor all_of(const std::vector<at::Tensor>& tensors) {
  std::vector<at::Tensor> flat;
  for (const auto& tensor : tensors) flat.push_back(tensor.detach().reshape({-1}));
  return at::cat(flat);
}

double cosine(const at::Tensor& a, const at::Tensor& b) {
  return at::cosine_similarity(a.reshape({-1}), b.reshape({-1}), 0).item<double>();
}

}  // namespace

TEST_CASE("a victim in bf16 pulls the images where one in float does", "[method][precision]") {
  Yolov3 network(test::tiny_graph(), Seed(1));
  const auto batch = noise_with_boxes(network.graph(), 2);
  const auto exact = network.victim(batch.truth)(batch.images, {});
  const auto frozen = network.frozen().forward(batch.images);
  {
    const ComputesIn products(network, Precision::kBFloat16);
    const auto rounded = network.victim(batch.truth)(batch.images, {});
    CHECK(rounded.gradient.scalar_type() == at::kFloat);
    CHECK(cosine(rounded.gradient, exact.gradient) > 0.98);
    CHECK_FALSE(at::equal(rounded.gradient, exact.gradient));
    const auto heads = network.frozen().forward(batch.images);
    for (std::size_t h = 0; h < heads.size(); ++h) {
      CHECK(heads[h].scalar_type() == at::kFloat);
      CHECK((heads[h] - frozen[h]).abs().max().item<double>() <
            0.02 * frozen[h].abs().max().item<double>());
    }
  }
  CHECK(at::equal(network.victim(batch.truth)(batch.images, {}).gradient, exact.gradient));
}

TEST_CASE("training in bf16 goes where training in float goes, and leaves a network in float",
          "[method][precision]") {
  const auto trained = [](Precision precision) {
    Yolov3 network(test::tiny_graph(), Seed(1));
    const auto before = all_of(network.parameters());
    const auto batch = noise_with_boxes(network.graph(), 16);
    Silent silent;
    train(
        network, MovedWeights(network), [&] { return batch; },
        Defence{PgdAdversarial{}, Pgd{.steps = 2}, Rgb{}},
        {.steps = 3, .batch_size = 16, .learning_rate = 1e-4, .precision = precision}, Seed(1),
        at::kCPU, silent);
    CHECK(network.precision() == Precision::kFloat32);
    return all_of(network.parameters()) - before;
  };
  const auto exact = trained(Precision::kFloat32), rounded = trained(Precision::kBFloat16);
  CHECK(rounded.scalar_type() == at::kFloat);
  CHECK(cosine(rounded, exact) > 0.99);
  CHECK_FALSE(at::equal(rounded, exact));
  CHECK(at::equal(rounded, trained(Precision::kBFloat16)));
}

TEST_CASE("a detector of one number format refuses another", "[method][precision]") {
  test::TinyDetector detector;
  CHECK_NOTHROW(ComputesIn(detector, Precision::kFloat32));
  CHECK_THROWS_WITH(ComputesIn(detector, Precision::kBFloat16), ContainsSubstring("should be f32"));
}
