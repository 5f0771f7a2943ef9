#include "serpette/metric/localisation.hpp"

#include "support/catch.hpp"

using namespace serpette;

namespace {

/// One image with two objects, of classes 0 and 1.
const Instances kTruth{
    .images = {{1, "", 100, 100}},
    .annotations = {{1, 1, 0, {0, 0, 20, 20}, 400, false}, {2, 1, 1, {50, 50, 20, 20}, 400, false}},
    .categories = {{1, "a"}, {2, "b"}}};

}  // namespace

TEST_CASE("a wrong name costs AP, not places", "[metric][localisation]") {
  const std::vector<Detection> renamed{{1, 1, 0.9, {0, 0, 20, 20}}, {1, 1, 0.8, {50, 50, 20, 20}}};
  CHECK(evaluate(kTruth, renamed).AP50 < 0.6);
  CHECK(evaluate_without_classes(kTruth, renamed).AP50 == Catch::Approx(1));
  const auto placed = placed_objects(kTruth, renamed, 0.5);
  CHECK(placed.placed == 2);
  CHECK(placed.named == 1);
  CHECK(placed.share() == 0.5);
}

TEST_CASE("a wrong place costs both, and names nothing", "[metric][localisation]") {
  const std::vector<Detection> moved{{1, 0, 0.9, {15, 15, 20, 20}}, {1, 1, 0.8, {65, 65, 20, 20}}};
  CHECK(evaluate(kTruth, moved).AP50 == 0);
  CHECK(evaluate_without_classes(kTruth, moved).AP50 == 0);
  CHECK(placed_objects(kTruth, moved, 0.5).share() == -1);
}

TEST_CASE("two names of one place are one place", "[metric][localisation]") {
  const std::vector<Detection> doubled{
      {1, 1, 0.9, {0, 0, 20, 20}}, {1, 0, 0.8, {0, 0, 20, 20}}, {1, 1, 0.7, {50, 50, 20, 20}}};
  CHECK(evaluate_without_classes(kTruth, doubled).AP50 == Catch::Approx(1));
  // The surest says how it is named; the other finds no free object.
  const auto placed = placed_objects(kTruth, doubled, 0.5);
  CHECK(placed.placed == 2);
  CHECK(placed.named == 1);
  CHECK(placed_objects(kTruth, doubled, 0.85).placed == 1);
}
