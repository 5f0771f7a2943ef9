#include <memory>

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
  CHECK(reached(Square{.queries = 1000}) > 0.5);
  CHECK(reached(Square{.queries = 1000}) > reached(Square{.queries = 50}));
}

TEST_CASE("C&W finds the nearest image that evades", "[attack]") {
  // Evaded where the sum of the pixels has fallen by 0.08 from the clean image's: nearest in L2 is
  // the same 0.01 off each of 8 pixels.
  const auto images = torch::full({2, 1, 2, 4}, 0.5);
  auto asked = std::make_shared<int>(0);
  const Victim victim = [asked](const at::Tensor& x, const Aim& aim) {
    REQUIRE(aim.goal == Aim::Goal::kEvade);
    ++*asked;
    const auto over = (x.sum({1, 2, 3}) - (4 - 0.08));
    return Ascent{-over.clamp_min(0),
                  -(over > 0).to(at::kFloat).view({-1, 1, 1, 1}) * torch::ones_like(x)};
  };
  const auto delta =
      perturbed(CarliniWagner{.learning_rate = 0.02, .searches = 8, .steps = 200}, victim, images) -
      images;
  CHECK((delta.sum({1, 2, 3}) <= -0.08 + 1e-5).all().item<bool>());
  CHECK(delta.flatten(1).norm(2, 1).max().item<double>() ==
        Catch::Approx(0.01 * std::sqrt(8)).epsilon(0.1));
  // An image that is evaded as it is stays as it is, at the cost of one look.
  *asked = 0;
  const auto done = images - 0.1;
  CHECK(at::equal(perturbed(CarliniWagner{}, victim, done), done));
  CHECK(*asked == 1);
}

TEST_CASE("C&W finds a near image in half, where a pixel has no gradient", "[attack]") {
  // As above, but that one of the eight pixels does not count.
  const auto images = torch::full({1, 1, 2, 4}, 0.5, at::kHalf);
  const Victim victim = [](const at::Tensor& x, const Aim&) {
    const auto over = x.to(at::kFloat).flatten(1).narrow(1, 0, 7).sum(1) - (3.5 - 0.08);
    const auto slope = torch::ones_like(x);
    slope[0][0][1][3].zero_();
    return Ascent{over.clamp_min(0).neg().to(x.scalar_type()),
                  -(over > 0).to(x.scalar_type()).view({-1, 1, 1, 1}) * slope};
  };
  const auto attacked =
      perturbed(CarliniWagner{.learning_rate = 0.02, .searches = 8, .steps = 200}, victim, images);
  CHECK(attacked.scalar_type() == at::kHalf);
  const auto delta = attacked.to(at::kDouble).flatten(1) - 0.5;
  CHECK(delta.narrow(1, 0, 7).sum().item<double>() <= -0.08 + 1e-3);
  CHECK(delta.norm().item<double>() < 0.04);  // 0.0302 is the least
}

TEST_CASE("C&W on a detector works on the images that are left, each as if alone", "[attack]") {
  test::TinyDetector detector(test::tiny_graph(), Seed(0), at::kDouble);
  const auto batch = test::tiny_batch(detector.graph(), 3, Seed(1), at::kDouble);
  const auto victim = detector.victim(batch.truth);
  const CarliniWagner attack{.epsilon = 0.3, .searches = 3, .steps = 30};
  const Aim aim{.goal = Aim::Goal::kEvade};
  const auto all = perturbed(attack, victim, batch.images);
  CHECK((victim.loss(all, aim) >= victim.loss(batch.images, aim)).all().item<bool>());
  CHECK((all - batch.images).abs().max().item<double>() <= 0.3 + 1e-6);
  for (std::int64_t i = 0; i < 3; ++i) {
    const auto one = batch.slice(i, i + 1);
    CHECK(torch::allclose(perturbed(attack, detector.victim(one.truth), one.images),
                          all.slice(0, i, i + 1), 1e-3, 1e-3));
  }
}

TEST_CASE("Square and MTD's choice never take a gradient that they do not use", "[attack]") {
  const auto images = torch::rand({2, 3, 8, 8});
  int gradients = 0, losses = 0;
  const auto model = laws::distance_from(torch::rand({2, 3, 8, 8}));
  const Victim victim(Victim::Parts{.ascend =
                                        [&](const at::Tensor& x, const Aim& aim) {
                                          ++gradients;
                                          return model(x, aim);
                                        },
                                    .loss =
                                        [&](const at::Tensor& x, const Aim& aim) {
                                          ++losses;
                                          return model(x, aim).loss;
                                        }});
  (void)perturbed(Square{.queries = 20}, victim, images);
  CHECK(gradients == 0);
  CHECK(losses == 21);
  losses = 0;
  (void)perturbed(Mtd{}, victim, images);
  CHECK(gradients == 10);
  CHECK(losses == 2);
}

TEST_CASE("TOG asks for the detector's own boxes on the clean image", "[attack]") {
  const auto images = torch::rand({1, 3, 8, 8});
  const auto model = laws::distance_from(torch::rand({1, 3, 8, 8}));
  int faced = 0;
  const Victim victim(
      Victim::Parts{.ascend = model, .facing = [&](const at::Tensor& clean, const Aim& aim) {
                      ++faced;
                      CHECK(clean.equal(images));
                      CHECK(aim.own);
                      return model;
                    }});
  (void)perturbed(TogUntargeted{}, victim, images);
  (void)perturbed(TogMislabelling{}, victim, images);
  CHECK(faced == 2);
}

TEST_CASE("the detector attacks raise what they aim at", "[attack]") {
  test::TinyDetector detector;
  const auto batch = test::tiny_batch(detector.graph());
  const auto victim = detector.victim(batch.truth);
  const auto raises = [&](const auto& attack, Aim::Goal goal, bool own = false) {
    const Aim aim{.goal = goal, .own = own};
    const auto faced = victim.facing(batch.images, aim);
    return total(faced, perturbed(attack, victim, batch.images), aim) >
           total(faced, batch.images, aim);
  };
  CHECK(raises(TogUntargeted{}, Aim::Goal::kTruth, true));
  CHECK(raises(TogVanishing{}, Aim::Goal::kVanish, true));
  CHECK(raises(TogFabrication{}, Aim::Goal::kFabricate, true));
  CHECK(raises(TogMislabelling{}, Aim::Goal::kMislabel, true));
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
  CHECK_THROWS_AS(perturbed(CarliniWagner{.start = 0}, victim, images), Error);
  CHECK_THROWS_AS(perturbed(TogVanishing{.steps = -1}, victim, images), Error);
}
