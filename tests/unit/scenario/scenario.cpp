#include "serpette/scenario/scenario.hpp"

#include <type_traits>

#include "serpette/attack/no_attack.hpp"
#include "serpette/attack/pgd.hpp"
#include "serpette/color/rgb.hpp"
#include "serpette/prune/weight.hpp"
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

}  // namespace

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
