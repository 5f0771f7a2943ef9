#include "serpette/attack/fgsm.hpp"
#include "serpette/attack/no_attack.hpp"
#include "serpette/attack/pgd.hpp"
#include "serpette/attack/tog.hpp"
#include "serpette/color/greyscale_rec601.hpp"
#include "serpette/color/rgb.hpp"
#include "serpette/laws/objective.hpp"
#include "serpette/method/view.hpp"
#include "serpette/objective/adversarial_only.hpp"
#include "serpette/objective/both_forms.hpp"
#include "serpette/objective/clean.hpp"
#include "serpette/objective/distilled.hpp"
#include "serpette/objective/fast_adversarial.hpp"
#include "serpette/objective/free_adversarial.hpp"
#include "serpette/objective/mixed.hpp"
#include "serpette/objective/pgd_adversarial.hpp"
#include "serpette/objective/trades_like.hpp"
#include "serpette/objective/under.hpp"
#include "support/catch.hpp"
#include "support/tiny_detector.hpp"

using namespace serpette;
using test::TinyDetector;

namespace {

using Mix = Mixed<Under<TogVanishing, AdversarialOnly>, Clean>;
static_assert(Objective<Mix> && Objective<Distilled<Mix>> && Objective<Under<Fgsm, BothForms>>);
static_assert(needs_teacher<Distilled<Clean>> && needs_teacher<Mixed<Distilled<Clean>, Clean>> &&
              !needs_teacher<Mix>);
static_assert(replays<FreeAdversarial<3>> == 3 && replays<Distilled<FreeAdversarial<3>>> == 3 &&
              replays<Clean> == 1);

struct Lab {
  TinyDetector detector;
  ImageBatch batch = test::tiny_batch(detector.graph(), 4);
  Generator rng{Seed(1)};

  template <Attack A>
  Adversary adversary(const A& attack) {
    return make_adversary(detector, attack, Rgb{}, rng);
  }
  double plain(const at::Tensor& images) {
    return detector.loss(detector.forward(images), batch.truth).total().item<double>();
  }
  template <Objective O>
  double loss(const O& objective, const Adversary& adversary, const TrainingContext& context = {}) {
    return objective.start(context).loss(detector, batch, adversary).template item<double>();
  }
};

}  // namespace

TEST_CASE("objectives hold the laws of their concept", "[objective][law]") {
  Lab lab;
  const auto laws = [&](const auto& objective) {
    laws::objective(objective, lab.detector, lab.batch);
  };
  laws(PgdAdversarial{});
  laws(BothForms{});
  laws(AdversarialOnly{});
  laws(Clean{});
  laws(FreeAdversarial<>{});
  laws(FastAdversarial{});
  laws(TradesLike{});
  laws(Under<Fgsm, BothForms>{});
  laws(Mix{});
  laws(Distilled<BothForms>{});
}

TEST_CASE("without an attack every objective is the plain loss", "[objective]") {
  Lab lab;
  const auto none = lab.adversary(NoAttack{});
  const double plain = lab.plain(lab.batch.images);
  CHECK(lab.loss(Clean{}, none) == plain);
  CHECK(lab.loss(PgdAdversarial{}, none) == plain);
  CHECK(lab.loss(BothForms{}, none) == plain);
  CHECK(lab.loss(AdversarialOnly{}, none) == plain);
  CHECK(lab.loss(FreeAdversarial<2>{}, none) == plain);
  CHECK(lab.loss(FastAdversarial{}, none) == plain);
  CHECK(lab.loss(TradesLike{}, none) == plain);
  CHECK(lab.loss(Distilled<Clean>{}, none) == plain);  // and without a teacher
}

TEST_CASE("a mix takes its objectives in turn, each under its own attack", "[objective]") {
  Lab lab;
  const auto pgd = lab.adversary(Pgd{});
  auto state = Mix{}.start({});
  const double plain = lab.plain(lab.batch.images);
  const auto lose = [&] { return state.loss(lab.detector, lab.batch, pgd).item<double>(); };
  const double first = lose();
  CHECK(first != plain);
  CHECK(first != lab.loss(AdversarialOnly{}, pgd));
  CHECK(lose() == plain);
  CHECK(lose() != plain);
  CHECK(settings_text(Mix{}) != settings_text(Mixed<Clean, Clean>{}));
}

TEST_CASE("the fast attack stays in its ball and raises the loss from a random start",
          "[objective]") {
  Lab lab;
  const auto attack = FastAdversarial{}.start({}).attack;
  const auto hit = lab.adversary(Pgd{}).with(attack)(lab.batch);
  CHECK((hit - lab.batch.images).abs().max().item<double>() <= 0.05 + 1e-6);
  CHECK((hit.min().item<double>() >= 0 && hit.max().item<double>() <= 1));
  CHECK(lab.plain(hit) > lab.plain(lab.batch.images));
}

TEST_CASE("a teacher that agrees costs nothing, and consistency is 0 for equal heads",
          "[objective]") {
  Lab lab;
  const auto none = lab.adversary(NoAttack{});
  const Teacher same = [&](const at::Tensor& images) { return lab.detector.forward(images); };
  const Teacher other = [&](const at::Tensor& images) {
    return TinyDetector(lab.detector.graph(), Seed(9)).forward(images);
  };
  const double plain = lab.plain(lab.batch.images);
  CHECK(lab.loss(Distilled<Clean>{}, none, {.teacher = same}) == Catch::Approx(plain));
  CHECK(lab.loss(Distilled<Clean>{}, none, {.teacher = other}) > plain + 0.1);
}

TEST_CASE("the free perturbation of a grey image is grey and within its ball", "[objective]") {
  Lab lab;
  const auto grey = make_adversary(lab.detector, Pgd{}, GreyscaleRec601{}, lab.rng);
  lab.batch.images = network_images(GreyscaleRec601{}, lab.batch.images);
  auto state = FreeAdversarial<2>{.epsilon = 0.03}.start({});
  for (int step = 0; step < 3; ++step) state.loss(lab.detector, lab.batch, grey).backward();
  CHECK(state.last.size(1) == 1);
  const auto change = (grey.expand(state.last.detach()) - lab.batch.images).abs();
  CHECK((change.max().item<double>() <= 0.03 + 1e-6 && change.max().item<double>() > 0.02));
}

TEST_CASE("objectives refuse settings that make no sense", "[objective]") {
  CHECK_THROWS_AS(PgdAdversarial{.attacked = 1.5}.start({}), Error);
  CHECK_THROWS_AS(FreeAdversarial<2>{.epsilon = -1}.start({}), Error);
  CHECK_THROWS_AS(FastAdversarial{.step = -1}.start({}), Error);
  CHECK_THROWS_AS(TradesLike{.beta = -1}.start({}), Error);
  CHECK_THROWS_AS(Distilled<Clean>{.weight = -1}.start({}), Error);
}
