#include <fstream>
#include <nlohmann/json.hpp>

#include "serpette/attack/mtd.hpp"
#include "serpette/attack/pgd.hpp"
#include "serpette/color/rgb.hpp"
#include "serpette/method/train.hpp"
#include "serpette/objective/adversarial_only.hpp"
#include "serpette/objective/both_forms.hpp"
#include "serpette/objective/clean.hpp"
#include "serpette/objective/distilled.hpp"
#include "serpette/objective/fast_adversarial.hpp"
#include "serpette/objective/free_adversarial.hpp"
#include "serpette/objective/mixed.hpp"
#include "serpette/objective/trades_like.hpp"
#include "serpette/objective/under.hpp"
#include "support/catch.hpp"
#include "support/tiny_detector.hpp"

using namespace serpette;
using test::TinyDetector;

namespace {

at::Tensor like(const at::Tensor& shape, const nlohmann::json& numbers) {
  return torch::tensor(numbers.get<std::vector<double>>(), at::kDouble).view(shape.sizes());
}

/// The tensors of the golden file by their names there.
std::vector<std::pair<std::string, at::Tensor>> named(const TinyDetector& detector) {
  std::vector<std::pair<std::string, at::Tensor>> all;
  const auto convolutions = detector.graph().convolutions();
  for (std::size_t i = 0; i < convolutions.size(); ++i) {
    const LayerParameters p = detector.layer(convolutions[i]);
    for (const auto& [name, member, is_trained] : kLayerTensors)
      if ((p.*member).defined()) all.emplace_back(fmt::format("{}.{}", i, name), p.*member);
  }
  return all;
}

}  // namespace

TEST_CASE("three steps of every objective are those of a plain loop in another library",
          "[objective][golden]") {
  const auto golden = nlohmann::json::parse(std::ifstream(test::file("golden/objectives.json")));
  const auto fresh = [&] {
    TinyDetector detector(test::tiny_graph(), Seed(0), at::kDouble);
    const torch::NoGradGuard no_grad;
    for (auto& [name, tensor] : named(detector)) tensor.copy_(like(tensor, golden["start"][name]));
    return detector;
  };
  const auto check = [&](const auto& objective, std::string name = {}) {
    if (name.empty()) name = objective.name;
    INFO(name);
    const auto& wanted = golden["objectives"][name];
    auto detector = fresh();
    struct Losses {
      std::vector<double> values;
      void on_step(std::int64_t, double loss) { values.push_back(loss); }
    } losses;
    std::size_t turn = 0;
    const auto next = [&] {
      const auto& one = golden["batches"][turn++];
      std::vector<double> rows;
      for (const auto& row : one["truth"])
        for (const double v : row) rows.push_back(v);
      return ImageBatch{
          torch::tensor(one["images"].get<std::vector<double>>(), at::kDouble).view({4, 3, 16, 16}),
          torch::tensor(rows, at::kDouble).view({4, 6}),
          {0, 1, 2, 3},
          std::vector<Letterbox>(4, Letterbox::fit(16, 16, 16, 16))};
    };
    const Teacher teacher = [network = fresh()](const at::Tensor& images) mutable {
      return network.forward(images);
    };
    train(detector, MovedWeights(detector), next,
          Defence{objective, Pgd{.steps = 2}, Rgb{}, teacher},
          {.steps = 3, .batch_size = 4, .learning_rate = 0.01}, Seed(1), at::kCPU, losses);
    for (std::size_t i = 0; i < 3; ++i)
      CHECK(losses.values[i] ==
            Catch::Approx(wanted["losses"][i].template get<double>()).epsilon(1e-7));
    for (const auto& [tensor_name, tensor] : named(detector)) {
      INFO(tensor_name);
      const auto expected = like(tensor, wanted["tensors"][tensor_name]);
      CHECK((tensor - expected).abs().max().template item<double>() < 1e-5);
    }
  };
  check(Clean{});
  check(PgdAdversarial{});
  check(AdversarialOnly{});
  check(BothForms{});
  check(TradesLike{});
  check(FreeAdversarial<3>{});
  check(Distilled<Clean>{.weight = 0.5});
  using Multitask = Under<Mtd, AdversarialOnly>;
  check(Multitask{.attack = {{.steps = 2}}}, "MTD");
  check(Mixed<Multitask, Clean, BothForms>{{Multitask{.attack = {{.steps = 2}}}, {}, {}}});
  check(FastAdversarial{});
}
