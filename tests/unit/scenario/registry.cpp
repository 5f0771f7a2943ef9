#include "serpette/scenario/registry.hpp"

#include <boost/hana/for_each.hpp>

#include "support/catch.hpp"

using namespace serpette;

TEST_CASE("shipped scenarios leave the first layer and the heads whole, types spare nothing",
          "[scenario]") {
  boost::hana::for_each(kScenarios, [](const auto& entry) {
    INFO(entry.id);
    CHECK(entry.scenario.allocation.limits.spare_first);
    CHECK(entry.scenario.allocation.limits.spare_heads);
  });
  CHECK_FALSE(UnstructuredHydra{}.allocation.limits.spare_heads);
}

TEST_CASE("what is called by LAMP is shared out by it, all else layer by layer as the paper's",
          "[scenario]") {
  boost::hana::for_each(kScenarios, [](const auto& entry) {
    INFO(entry.id);
    CHECK(entry.scenario.allocation.kind ==
          (entry.id.ends_with("_lamp") ? AllocationKind::kLamp : AllocationKind::kPerLayer));
  });
}
