#include "serpette/scenario/scenario.hpp"

#include <cmath>
#include <string_view>
#include <type_traits>

#include "serpette/attack/no_attack.hpp"
#include "serpette/attack/pgd.hpp"
#include "serpette/color/rgb.hpp"
#include "serpette/prune/weight.hpp"
#include "serpette/score/deep_lift.hpp"
#include "serpette/score/magnitude.hpp"
#include "support/catch.hpp"

using namespace serpette;

namespace {

/// Four policies of a type of one's own.
struct Plain {
  Magnitude score;
  Weight granularity;
  Pgd attack;
  Rgb color;
};

/// And one that says what its steps minimise.
struct Trained : Plain {
  PgdAdversarial objective{.attacked = 1};
};

struct WithoutColor {
  Magnitude score;
  Weight granularity;
  Pgd attack;
};

struct InWrongOrder {
  Weight score;
  Magnitude granularity;
  Pgd attack;
  Rgb color;
};

static_assert(AnyScenario<Scenario<Magnitude, Weight, NoAttack, Rgb>>);
static_assert(AnyScenario<Plain> && AnyScenario<Trained>);
static_assert(!AnyScenario<WithoutColor> && !AnyScenario<InWrongOrder> && !AnyScenario<int>);
static_assert(std::is_same_v<ScoreOf<Plain>, Magnitude> &&
              std::is_same_v<GranularityOf<Plain>, Weight> &&
              std::is_same_v<AttackOf<Plain>, Pgd> && std::is_same_v<ColorOf<Plain>, Rgb>);

/// An attack of one's own, whose settings nothing else looks at.
struct Blunt {
  static constexpr std::string_view name = "Blunt";
  double epsilon = 0.1;
  at::Tensor perturb(const Victim&, const at::Tensor& images, Generator&) const { return images; }
};

}  // namespace

TEST_CASE("an attack's radius is at least 0, and above it where a score needs attacked images",
          "[scenario]") {
  using OfMagnitude = Scenario<Magnitude, Weight, Blunt, Rgb>;
  CHECK_NOTHROW(OfMagnitude{}.check());
  CHECK_NOTHROW(OfMagnitude{.attack = {.epsilon = 0}}.check());
  CHECK_THROWS_WITH(OfMagnitude{.attack = {.epsilon = -0.1}}.check(),
                    "Blunt: epsilon should be at least 0, got -0.1");
  CHECK_THROWS_AS(OfMagnitude{.attack = {.epsilon = std::nan("")}}.check(), Error);
  CHECK_NOTHROW((Scenario<Magnitude, Weight, NoAttack, Rgb>{}.check()));

  using OfTwins = Scenario<DeepLift, Weight, Blunt, Rgb>;
  const auto twins = [](double epsilon) {
    return OfTwins{.score = {.reference = Reference::kCleanTwin}, .attack = {.epsilon = epsilon}};
  };
  CHECK_NOTHROW(twins(0.1).check());
  for (const double epsilon : {0.0, -0.1}) CHECK_THROWS_AS(twins(epsilon).check(), Error);
  CHECK_THROWS_WITH(twins(0).check(), Catch::Matchers::ContainsSubstring("a radius above 0"));
}

TEST_CASE("a scenario without a schedule prunes in one shot", "[scenario]") {
  CHECK(schedule_of(Plain{}).rounds == 1);
  using InRounds = Scenario<Magnitude, Weight, Pgd, Rgb, PgdAdversarial, PerLayer, Cubic>;
  CHECK(schedule_of(InRounds{}).ratios(Ratio::percent(80)).size() == 5);
}

TEST_CASE("a scenario without an objective has the paper's", "[scenario]") {
  CHECK(objective_of(Plain{}).attacked == 0.5);
  CHECK(objective_of(Trained{}).attacked == 1);
  CHECK(objective_of(Scenario<Magnitude, Weight, Pgd, Rgb>{.objective = {.attacked = 0.25}})
            .attacked == 0.25);
}
