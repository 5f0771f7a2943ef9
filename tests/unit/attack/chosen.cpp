#include <boost/hana/for_each.hpp>

#include <cmath>
#include <set>

#include "serpette/attack/eight_bits.hpp"
#include "serpette/attack/registry.hpp"
#include "serpette/attack/restarts.hpp"
#include "serpette/concepts/chosen_attack.hpp"
#include "serpette/laws/attack.hpp"
#include "serpette/torch/nn.hpp"
#include "support/catch.hpp"
#include "support/perturbed.hpp"
#include "support/tiny_detector.hpp"

using namespace serpette;
using test::perturbed;

TEST_CASE("an attack chosen when the program runs does what its type does", "[attack]") {
  const auto images = torch::rand({2, 3, 8, 8});
  const auto victim = laws::distance_from(torch::rand({2, 3, 8, 8}));
  std::set<std::string_view> ids;
  boost::hana::for_each(kAttacks, [&](const auto& entry) {
    INFO(entry.id);
    CHECK(ids.insert(entry.id).second);
    const auto chosen = ChosenAttack::of(entry.policy);
    Generator rng{Seed(0)};
    CHECK(at::equal(chosen.attack.perturb(victim, images, rng),
                    perturbed(entry.policy, victim, images)));
    CHECK(chosen.settings == settings_text(entry.policy));
    CHECK(chosen.label == entry.policy.name);
    CHECK(chosen.attack.is_identity == (entry.id == "none"));
  });
  CHECK_THROWS_WITH(with_entry(kAttacks, "--attack", "magic", [](const auto&) {}),
                    Catch::Matchers::ContainsSubstring("--attack: should be one of none, fgsm"));
}

TEST_CASE("an attack made of another has its radius", "[attack]") {
  CHECK(ErasedAttack(Mtd{.pgd = {.epsilon = 0.1}}).epsilon == 0.1);
  CHECK(ErasedAttack(Restarts<Pgd>{.attack = {.epsilon = 0.1}}).epsilon == 0.1);
  CHECK(ChosenAttack::of(Restarts<Mtd>{.attack = {.pgd = {.epsilon = 0.1}}}).epsilon() == 0.1);
  CHECK(ErasedAttack(NoAttack{}).epsilon == 0);
  CHECK_FALSE(radius_of(NoAttack{}));
}

TEST_CASE("PGD L2 is PGD under the Euclidean norm", "[attack]") {
  const auto images = torch::rand({2, 3, 8, 8});
  const auto victim = laws::distance_from(torch::rand({2, 3, 8, 8}));
  CHECK(at::equal(perturbed(PgdL2{.epsilon = 0.5, .step = 0.2, .steps = 5}, victim, images),
                  perturbed(Pgd{.epsilon = 0.5, .step = 0.2, .norm = Norm::kL2}, victim, images)));
}

TEST_CASE("8 bits leave an attacked image in its ball", "[attack]") {
  const auto epsilon = GENERATE(0.0, 0.001, 0.5 / 255, 8.0 / 255, 0.05);
  // A clean image on the levels, as a picture of the network's own size is.
  const auto clean = torch::randint(0, 256, {2, 3, 16, 16}).to(torch::kFloat) / 255;
  const auto attacked = (clean + (torch::rand_like(clean) * 2 - 1) * epsilon).clamp(0, 1);
  const auto kept = eight_bits(attacked, clean).to(torch::kDouble) / 255;
  const auto moved = (kept - clean.to(torch::kDouble)).abs();
  CHECK((moved <= (attacked - clean).abs().to(torch::kDouble) + 1e-6).all().item<bool>());
  CHECK((moved <= epsilon + 1e-6).all().item<bool>());
  // One between the levels: nothing else is nearer than half a level.
  const auto mixed = torch::rand({2, 3, 16, 16});
  const auto hit = (mixed + (torch::rand_like(mixed) * 2 - 1) * epsilon).clamp(0, 1);
  const auto far = (eight_bits(hit, mixed).to(torch::kDouble) / 255 - mixed).abs();
  CHECK((far <= std::max(epsilon, 0.5 / 255) + 1e-6).all().item<bool>());
  CHECK_THROWS_AS(eight_bits(mixed, clean.narrow(0, 0, 1)), Error);
}

namespace {

/// A victim of whose images all but the first are never evaded.
Victim stubborn(const Victim& victim) {
  return Victim(
      Victim::Parts{.ascend = [=](const at::Tensor& x, const Aim& aim) { return victim(x, aim); },
                    .loss =
                        [=](const at::Tensor& x, const Aim& aim) {
                          auto loss = victim.loss(x, aim);
                          if (aim.goal != Aim::Goal::kEvade) return loss;
                          loss = torch::full_like(loss, -1);
                          loss[0] = 0;
                          return loss;
                        },
                    .only = [=](const at::Tensor& rows) { return stubborn(victim.only(rows)); }});
}

}  // namespace

TEST_CASE("restarts keep the best start of each image and leave evaded ones alone", "[attack]") {
  test::TinyDetector detector;
  const auto batch = test::tiny_batch(detector.graph(), 4);
  const auto victim = stubborn(detector.victim(batch.truth));
  const Pgd once{.epsilon = 0.02, .step = 0.01, .steps = 3, .random_start = true};
  const auto loss = [&](const auto& attack) {
    return victim.loss(perturbed(attack, victim, batch.images), {});
  };
  const auto single = loss(once), best = loss(Restarts<Pgd>{once, 5});
  CHECK(torch::allclose(best[0], single[0]));
  CHECK((best >= single - 1e-5).all().item<bool>());
  CHECK((best > single + 1e-5).any().item<bool>());
  CHECK(at::equal(loss(Restarts<Pgd>{once, 1}), single));
  CHECK_THROWS_AS(loss(Restarts<Pgd>{once, 0}), Error);

  // Evaded as soon as a pixel sum falls below that of the clean image: asked once for each start.
  int starts = 0;
  const auto images = torch::full({1, 1, 2, 2}, 0.5);
  const Victim evaded(Victim::Parts{.ascend =
                                        [&](const at::Tensor& x, const Aim&) {
                                          ++starts;
                                          return Ascent{-x.sum({1, 2, 3}), -torch::ones_like(x)};
                                        },
                                    .loss =
                                        [](const at::Tensor& x, const Aim& aim) {
                                          return aim.goal == Aim::Goal::kEvade ? torch::zeros({1})
                                                                               : -x.sum({1, 2, 3});
                                        }});
  (void)perturbed(Restarts<Pgd>{{.steps = 1, .random_start = true}, 9}, evaded, images);
  CHECK(starts == 1);
}

TEST_CASE("a start that evades is kept, whatever another one makes of the loss", "[attack]") {
  // The first start goes up, where the loss is highest; the second down, where nothing is seen.
  int starts = 0;
  const Victim turning(Victim::Parts{
      .ascend =
          [&](const at::Tensor& x, const Aim&) {
            const double way = ++starts % 2 == 1 ? 1 : -1;
            return Ascent{x.sum({1, 2, 3}), torch::full_like(x, way)};
          },
      .loss =
          [](const at::Tensor& x, const Aim& aim) {
            const auto sum = x.sum({1, 2, 3});
            return aim.goal == Aim::Goal::kEvade ? sum.gt(2).to(at::kFloat).neg() : sum;
          }});
  const auto images = torch::full({1, 1, 2, 2}, 0.5);
  const Pgd once{.epsilon = 0.05, .step = 0.2, .steps = 1, .random_start = true};
  const auto attacked = perturbed(Restarts<Pgd>{once, 5}, turning, images);
  CHECK(starts == 2);
  CHECK(torch::allclose(attacked, images - 0.05));
}
