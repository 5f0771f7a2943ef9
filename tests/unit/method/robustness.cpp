#include "serpette/method/robustness.hpp"

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "serpette/attack/fgsm.hpp"
#include "serpette/attack/pgd.hpp"
#include "serpette/attack/square.hpp"
#include "serpette/attack/tog.hpp"
#include "serpette/color/greyscale_rec601.hpp"
#include "serpette/color/rgb.hpp"
#include "serpette/scenario/suite.hpp"
#include "support/catch.hpp"
#include "support/noise_data.hpp"
#include "support/tiny_detector.hpp"

using namespace serpette;

TEST_CASE("no single attack finds fewer boxes of an image than the worst case",
          "[method][robustness]") {
  test::TinyDetector detector;
  auto network = detector.frozen();
  const test::NoiseData data(6, 4);
  Silent silent;
  const EvaluateSettings settings{.batch_size = 3, .images = 5};
  const auto run = [&](const auto&... attacks) {
    const std::vector<ErasedAttack> suite{attacks...};
    return measure_robustness(detector, network, data, Rgb{}, suite, settings, Seed(2), at::kCPU,
                              silent);
  };
  const auto result = run(Fgsm{}, Pgd{}, TogVanishing{}, Square{.queries = 10});
  REQUIRE(result.attacks ==
          std::vector<std::string>{"None", "FGSM", "PGD", "TOG vanishing", "Square"});
  const auto of_image = [&](const std::vector<Detection>& all, std::int64_t id, double confidence) {
    std::vector<Detection> mine;
    std::ranges::copy_if(all, std::back_inserter(mine),
                         [&](const Detection& d) { return d.image_id == id; });
    std::vector<CocoAnnotation> truth;
    for (const auto& a : data.instances().annotations)
      if (a.image_id == id) truth.push_back(a);
    return result_of_image(truth, mine, confidence);
  };
  for (const auto& [worst_case, confidence] :
       {std::pair{&result.worst.standard, kStandardConfidence},
        std::pair{&result.worst.paper, kPaperConfidence}}) {
    CHECK(worst_case->attack.size() == 5);
    for (const auto& [id, attack] : worst_case->attack) {
      const auto worst = of_image(worst_case->evaluation.detections, id, confidence);
      CHECK(worst == of_image(result.each[attack].detections, id, confidence));
      for (const auto& each : result.each)
        CHECK(worst <= of_image(each.detections, id, confidence));
    }
  }
  // An attack's result does not depend on what stands beside it.
  const auto alone = run(TogVanishing{});
  CHECK((alone.each[1].detections == result.each[3].detections));
}

TEST_CASE("lengths of perturbations are those of encoded images", "[method][robustness]") {
  test::TinyDetector detector;
  auto network = detector.frozen();
  const test::NoiseData data(4, 3);
  Silent silent;
  const auto result_of = [&](const ErasedColorMode& color, const ErasedAttack& attack) {
    return evaluate_trial(detector, network, detector, data, color, attack, {.batch_size = 2},
                          Seed(3), at::kCPU, silent);
  };
  const double radius = 0.5;
  const Pgd longest{.epsilon = radius, .step = radius, .norm = Norm::kL2};
  for (const ErasedColorMode& color :
       {ErasedColorMode(Rgb{}), ErasedColorMode(GreyscaleRec601{})}) {
    const auto result = result_of(color, longest);
    CHECK(result.mean_l2 <= radius * (1 + 1e-5));
    CHECK(result.mean_l2 > 0.9 * radius);
    CHECK(result.max_abs <= radius);
    const auto clean = result_of(color, Unattacked{});
    CHECK(clean.max_abs == 0);
    CHECK(clean.mean_l2 == 0);
  }
  // What is measured of grey pictures is what the attack changed, not three times as much.
  const auto batch = data.batch(std::vector<std::int64_t>{0, 1});
  const ErasedColorMode grey = GreyscaleRec601{};
  const auto encoded = grey.encode(batch.images);
  Generator rng{Seed(4)}, same{Seed(4)};
  const auto hit = attacked_encoding(detector, encoded, batch.truth, Pgd{}, grey, rng);
  CHECK(hit.sizes() == encoded.sizes());
  CHECK(attacked_images(detector, batch, Pgd{}, grey, same).equal(grey.expand(hit)));
}

namespace {

/// Noise images whose objects are what a detector sees on them: it finds all of them.
class SeenData {
 public:
  SeenData(test::TinyDetector& detector, const test::NoiseData& noise) : noise_(&noise) {
    instances_ = noise.instances();
    instances_.annotations.clear();
    for (std::int64_t i = 0; i < noise.size(); ++i) {
      const auto one = noise.load(i);
      const auto found = detector.detections(detector.forward(one.images), one, 0.3).front();
      for (std::size_t k = 0; k < std::min<std::size_t>(found.size(), 2); ++k)
        instances_.annotations.push_back({std::ssize(instances_.annotations) + 1, one.image_ids[0],
                                          found[k].category, found[k].box, found[k].box.area(),
                                          false});
    }
  }
  [[nodiscard]] std::int64_t size() const { return noise_->size(); }
  [[nodiscard]] const Instances& instances() const { return instances_; }
  [[nodiscard]] ImageBatch load(std::int64_t index) const { return batch(std::vector{index}); }
  [[nodiscard]] ImageBatch batch(std::span<const std::int64_t> indices) const {
    auto b = noise_->batch(indices);
    std::vector<float> truth;
    for (std::size_t n = 0; n < b.image_ids.size(); ++n)
      for (const auto& a : instances_.annotations) {
        if (a.image_id != b.image_ids[n]) continue;
        for (const double v :
             {double(n), double(a.category), (a.box.x + a.box.width / 2) / 16,
              (a.box.y + a.box.height / 2) / 16, a.box.width / 16, a.box.height / 16})
          truth.push_back(static_cast<float>(v));
      }
    b.truth = at::tensor(truth).view({-1, 6});
    return b;
  }
  [[nodiscard]] ImageBatch augmented(std::span<const std::int64_t> indices, Seed) const {
    return batch(indices);
  }

 private:
  const test::NoiseData* noise_;
  Instances instances_;
};
static_assert(Dataset<SeenData>);

/// The signs of masking that the suite finds on a detector.
std::vector<std::string> signs_on(test::TinyDetector& detector, const SeenData& data) {
  auto network = detector.frozen();
  Silent silent;
  const EvaluateSettings settings{.batch_size = 4};
  const SuiteSettings suite{
      .epsilon = 0.05, .steps = 50, .restarts = 1, .queries = 60, .curve_steps = 10};
  std::vector<Trial> trials = robustness_suite(suite, false);
  std::erase_if(trials, [](const Trial& t) { return t.id.starts_with("tog") || t.id == "cw"; });
  for (auto& trial : strength_curve(suite, {0.05, 0.3, 1})) trials.push_back(std::move(trial));
  std::vector<UnderAttack> measured;
  for (const auto& trial : trials) {
    const auto result = evaluate_trial(detector, network, detector, data, Rgb{},
                                       trial.attack.attack, settings, Seed(5), at::kCPU, silent);
    CHECK(result.max_abs <= trial.attack.epsilon() + 1e-6);
    UNSCOPED_INFO(trial.attack.label << " " << trial.attack.epsilon() << " "
                                     << result.evaluation.standard.AP50);
    measured.push_back({trial.attack.label, trial.access, trial.attack.epsilon(), trial.steps,
                        result.evaluation.standard.AP50});
  }
  return signs_of_masking(measured,
                          gradient_flow(detector, data, Rgb{}, settings, at::kCPU).share());
}

}  // namespace

TEST_CASE("a detector made to mask its gradients is told apart from an honest one",
          "[method][robustness]") {
  test::TinyDetector detector;
  const test::NoiseData noise(12, 4);
  const SeenData data(detector, noise);
  REQUIRE(data.instances().annotations.size() > 6);
  const auto honest = signs_on(detector, data);
  INFO(fmt::format("{}", fmt::join(honest, "\n")));
  CHECK(honest.empty());

  // The first layer's outputs in steps: the network sees nearly the same, its gradient is 0.
  detector.set_output_hook(
      [](int index, const at::Tensor& y) { return index == 0 ? (y * 50).round() / 50 : y; });
  const auto masked = signs_on(detector, data);
  const auto said = fmt::format("{}", fmt::join(masked, "\n"));
  INFO(said);
  for (const char* words : {"The gradient is zero or not finite on 100 % of the images",
                            "where any image is within reach", "sees no gradient"})
    CHECK_THAT(said, Catch::Matchers::ContainsSubstring(words));
}
