#include "serpette/attack/apgd.hpp"
#include "serpette/attack/carlini_wagner.hpp"
#include "serpette/attack/mtd.hpp"
#include "serpette/attack/square.hpp"
#include "serpette/attack/tog.hpp"
#include "serpette/laws/attack.hpp"
#include "serpette/torch/nn.hpp"
#include "support/catch.hpp"
#include "support/perturbed.hpp"
#include "support/tiny_detector.hpp"

using namespace serpette;
using test::perturbed;

namespace {

double total(const Victim& victim, const at::Tensor& images, const Aim& aim = {}) {
  return victim(images, aim).loss.sum().item<double>();
}

}  // namespace

TEST_CASE("attacks that seek the maximum of a loss find it", "[attack]") {
  // L = Σ (x − target)² / 2 is largest at the corner of the ball away from the target.
  const auto images = torch::rand({2, 3, 6, 6}) * 0.8 + 0.1;
  const auto target = torch::rand({2, 3, 6, 6});
  const auto victim = laws::distance_from(target);
  const auto corner = images + 0.05 * (images - target).sign();
  const double gain = total(victim, corner) - total(victim, images);
  const auto reached = [&](const auto& attack) {
    return (total(victim, perturbed(attack, victim, images)) - total(victim, images)) / gain;
  };
  CHECK(reached(Apgd{.random_start = false}) == Catch::Approx(1).epsilon(1e-3));
  CHECK(reached(Apgd{}) > 0.95);
  CHECK(reached(CarliniWagner{.distortion = 0, .steps = 100}) > 0.95);
  CHECK(reached(Square{.queries = 1000}) > 0.5);
  CHECK(reached(Square{.queries = 1000}) > reached(Square{.queries = 50}));
}

TEST_CASE("C&W pays for distortion", "[attack]") {
  const auto images = torch::full({1, 1, 1, 2}, 0.5);
  const auto victim = laws::distance_from(torch::tensor({0.49F, 0.5F}).view({1, 1, 1, 2}));
  // L − c‖δ‖² = (0.01 + δ)²/2 − c·δ² is largest at δ = 0.01 / (2c − 1): 0.01 for c = 1.
  const auto delta = perturbed(CarliniWagner{.distortion = 1, .learning_rate = 0.01, .steps = 500},
                               victim, images) -
                     images;
  CHECK(delta.flatten()[0].item<double>() == Catch::Approx(0.01).epsilon(0.02));
  CHECK(std::abs(delta.flatten()[1].item<double>()) < 1e-6);
}

TEST_CASE("the detector attacks raise what they aim at", "[attack]") {
  test::TinyDetector detector;
  const auto batch = test::tiny_batch(detector.graph());
  const auto victim = detector.victim(batch.truth);
  const auto raises = [&](const auto& attack, Aim::Goal goal) {
    const Aim aim{.goal = goal};
    return total(victim, perturbed(attack, victim, batch.images), aim) >
           total(victim, batch.images, aim);
  };
  CHECK(raises(TogUntargeted{}, Aim::Goal::kTruth));
  CHECK(raises(TogVanishing{}, Aim::Goal::kVanish));
  CHECK(raises(TogFabrication{}, Aim::Goal::kFabricate));
  CHECK(raises(TogMislabelling{}, Aim::Goal::kMislabel));
  CHECK(raises(CarliniWagner{}, Aim::Goal::kTruth));
  CHECK(raises(Square{.queries = 50}, Aim::Goal::kTruth));
  // APGD with PGD's budget of steps does not do worse than PGD.
  const double pgd = total(victim, perturbed(Pgd{.steps = 20}, victim, batch.images));
  CHECK(total(victim, perturbed(Apgd{.steps = 20}, victim, batch.images)) > 0.99 * pgd);
}

TEST_CASE("MTD takes the stronger of two attacks for each image", "[attack]") {
  test::TinyDetector detector;
  const auto batch = test::tiny_batch(detector.graph(), 6);
  const auto victim = detector.victim(batch.truth);
  const auto loss = [&](const at::Tensor& x) { return victim(x, {}).loss; };
  const auto location =
      loss(perturbed(Pgd{.aim = {.objectness = 0, .classes = 0}}, victim, batch.images));
  const auto category = loss(perturbed(Pgd{.aim = {.box = 0}}, victim, batch.images));
  CHECK(torch::allclose(loss(perturbed(Mtd{}, victim, batch.images)), location.maximum(category)));
}

TEST_CASE("the suite refuses settings that make no sense", "[attack]") {
  const auto images = torch::rand({1, 3, 4, 4});
  const auto victim = laws::distance_from(images);
  CHECK_THROWS_AS(perturbed(Apgd{.steps = -1}, victim, images), Error);
  CHECK_THROWS_AS(perturbed(Square{.queries = -1}, victim, images), Error);
  CHECK_THROWS_AS(perturbed(Square{.start = 0}, victim, images), Error);
  CHECK_THROWS_AS(perturbed(CarliniWagner{.distortion = -1}, victim, images), Error);
  CHECK_THROWS_AS(perturbed(TogVanishing{.steps = -1}, victim, images), Error);
}
