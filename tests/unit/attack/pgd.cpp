#include "serpette/attack/pgd.hpp"

#include "serpette/attack/fgsm.hpp"
#include "serpette/attack/no_attack.hpp"
#include "serpette/laws/attack.hpp"
#include "serpette/torch/nn.hpp"
#include "support/catch.hpp"
#include "support/perturbed.hpp"
#include "support/tiny_detector.hpp"

using namespace serpette;
using test::perturbed;

TEST_CASE("FGSM is one PGD step of full length", "[attack][fgsm]") {
  const auto images = torch::rand({2, 3, 4, 4});
  const auto victim = laws::distance_from(torch::rand({2, 3, 4, 4}));
  CHECK(perturbed(Fgsm{}, victim, images)
            .equal(perturbed(Pgd{.step = 0.05, .steps = 1}, victim, images)));
}

TEST_CASE("PGD walks to the edge of the ball and stays there", "[attack][pgd]") {
  const auto images = torch::full({1, 1, 1, 3}, 0.5);
  const auto victim = laws::distance_from(torch::tensor({0.4F, 0.6F, 0.5F}).view({1, 1, 1, 3}));
  // Away from 0.4, away from 0.6; at the target itself the gradient is 0 and nothing moves.
  const auto expected = torch::tensor({0.55F, 0.45F, 0.5F}).view({1, 1, 1, 3});
  CHECK(torch::allclose(perturbed(Pgd{}, victim, images), expected, 0, 1e-7));
  CHECK(torch::allclose(perturbed(Pgd{.steps = 1}, victim, images), expected.lerp(images, 0.6), 0,
                        1e-7));
}

TEST_CASE("L2 PGD moves along the gradient and measures each image by itself", "[attack][pgd]") {
  const auto images = torch::full({2, 1, 1, 2}, 0.5);
  const auto target = torch::tensor({0.53F, 0.46F, 0.47F, 0.5F}).view({2, 1, 1, 2});
  const Pgd attack{.epsilon = 0.2, .step = 0.1, .steps = 10, .norm = Norm::kL2};
  const auto delta = perturbed(attack, laws::distance_from(target), images) - images;
  const auto expected = torch::tensor({-0.12F, 0.16F, 0.2F, 0.0F}).view({2, 1, 1, 2});
  CHECK(torch::allclose(delta, expected, 0, 1e-6));
}

TEST_CASE("a random start depends on the seed alone", "[attack][pgd]") {
  const auto images = torch::rand({2, 3, 4, 4});
  const auto victim = laws::distance_from(images);
  for (const Norm norm : {Norm::kLinf, Norm::kL2}) {
    const Pgd start{.steps = 0, .random_start = true, .norm = norm};
    CHECK(perturbed(start, victim, images, 1).equal(perturbed(start, victim, images, 1)));
    CHECK_FALSE(perturbed(start, victim, images, 1).equal(perturbed(start, victim, images, 2)));
    CHECK_FALSE(perturbed(start, victim, images, 1).equal(images));
  }
}

TEST_CASE("attacks refuse settings and images that make no sense", "[attack]") {
  const auto images = torch::rand({1, 3, 4, 4});
  const auto victim = laws::distance_from(images);
  CHECK_THROWS_WITH(perturbed(Pgd{.steps = -1}, victim, images),
                    "PGD: steps should be at least 0, got -1");
  CHECK_THROWS_AS(perturbed(Pgd{.step = -0.1}, victim, images), Error);
  CHECK_THROWS_AS(perturbed(Pgd{.epsilon = -0.1}, victim, images), Error);
  CHECK_THROWS_AS(perturbed(Pgd{.epsilon = std::nan("")}, victim, images), Error);
  CHECK_THROWS_AS(perturbed(Fgsm{.epsilon = -0.1}, victim, images), Error);
  CHECK_THROWS_AS(perturbed(Pgd{}, victim, images * 255), Error);
  CHECK_THROWS_AS(perturbed(Pgd{}, victim, images - 0.5), Error);
  CHECK_THROWS_AS(perturbed(Pgd{}, victim, images[0]), Error);
  CHECK_THROWS_AS(perturbed(Pgd{}, victim, images.to(torch::kLong)), Error);
}

TEST_CASE("PGD raises a detector's loss, more with a larger ball, and part by part",
          "[attack][pgd]") {
  test::TinyDetector detector;
  const auto batch = test::tiny_batch(detector.graph());
  const auto victim = detector.victim(batch.truth);
  const auto total = [&](const at::Tensor& x) { return victim(x, {}).loss.sum().item<double>(); };
  double last = total(batch.images);
  for (const double epsilon : {0.01, 0.03, 0.1}) {
    const double now =
        total(perturbed(Pgd{.epsilon = epsilon, .step = epsilon / 2}, victim, batch.images));
    CHECK(now > last);
    last = now;
  }
  const Aim box{.objectness = 0, .classes = 0};
  const auto attacked = perturbed(Pgd{.aim = box}, victim, batch.images);
  CHECK(victim(attacked, box).loss.sum().item<double>() >
        victim(batch.images, box).loss.sum().item<double>());
}
