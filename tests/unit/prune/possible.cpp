#include "serpette/prune/possible.hpp"

#include <array>

#include "serpette/prune/filter.hpp"
#include "serpette/prune/n_of_m.hpp"
#include "serpette/prune/per_layer.hpp"
#include "serpette/prune/weight.hpp"
#include "support/catch.hpp"
#include "support/small_graphs.hpp"

using namespace serpette;
using Catch::Matchers::ContainsSubstring;

TEST_CASE("what cannot be pruned is refused before any work", "[prune][possible]") {
  const auto graph = test::tiny_graph();  // its first layer reads 3 channels
  const std::array ratios{Ratio::percent(0), Ratio::percent(75), Ratio::percent(99)};
  CHECK_NOTHROW(require_possible(graph, ratios, Weight{}, PerLayer{}));
  CHECK_NOTHROW(require_possible(graph, ratios, Filter{}, PerLayer{}));
  const NofM<2, 4> strict{.skip_uneven = false}, uneven{};
  CHECK_THROWS_WITH(require_possible(graph, ratios, strict, PerLayer{}),
                    ContainsSubstring("should have input channels in multiples of 4, got 3"));
  CHECK_NOTHROW(require_possible(graph, std::array{Ratio::percent(50)}, uneven, PerLayer{}));
  const auto whole = left_whole(graph, uneven);
  REQUIRE_FALSE(whole.empty());
  CHECK(whole.front() == graph[graph.convolutions().front()].name);
  CHECK(left_whole(graph, Weight{}).empty());
  CHECK_THROWS_WITH(require_possible(graph, ratios, uneven, PerLayer{}),
                    ContainsSubstring("--ratios: should be at most 50 %, all that 2:4"));
  CHECK_THROWS_WITH(
      require_possible(graph, ratios, Weight{}, PerLayer{.limits = {.spare = "conv_99"}}),
      ContainsSubstring("conv_99"));
  // What has to stay bounds what can go.
  const PerLayer half{.limits = {.at_least = 0.5}};
  CHECK_NOTHROW(require_possible(graph, std::array{Ratio::percent(50)}, Weight{}, half));
  CHECK_THROWS_WITH(require_possible(graph, ratios, Weight{}, half),
                    ContainsSubstring("--ratios: should be at most"));
  // Half of the filters are more than half of the parameters, 588 of 895 here; of filters, half.
  const std::array two_thirds{Ratio::percent(65)};
  CHECK_NOTHROW(require_possible(graph, two_thirds, Filter{}, half));
  CHECK_THROWS_WITH(
      require_possible(graph, two_thirds, Filter{.ratio_of = RatioOf::kFilters}, half),
      ContainsSubstring("--ratios: should be at most 50 %"));
  // Without the second layer's filters, 721.
  CHECK_THROWS_WITH(require_possible(graph, std::array{Ratio::percent(85)}, Filter{},
                                     PerLayer{.limits = {.spare = "conv_1"}}),
                    ContainsSubstring("--ratios: should be at most 80.56 %"));
}
