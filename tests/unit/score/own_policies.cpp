// The score of README and essay 03.

#include "../../../examples/activity_weighted.hpp"
#include "serpette/laws/score_init.hpp"
#include "support/catch.hpp"

TEST_CASE("the README's score holds the laws", "[score][law]") {
  serpette::laws::score_init(ActivityWeighted{});
}
