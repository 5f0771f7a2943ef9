// The types that docs/guides/extend.md writes: a granularity and an allocation of one's own.

#include "../../../examples/kernel_row.hpp"
#include "serpette/laws/allocation.hpp"
#include "serpette/laws/prune_granularity.hpp"
#include "serpette/prune/filter.hpp"
#include "serpette/prune/weight.hpp"
#include "support/catch.hpp"
#include "support/small_graphs.hpp"

namespace {

// [allocation]
/// The same ratio everywhere but in the first set, which stays whole.
struct SpareTheFirst {
  static constexpr std::string_view name = "Spare the first";

  std::vector<std::int64_t> removed(const serpette::Graph& graph,
                                    const std::vector<serpette::PieceSet>& sets,
                                    const serpette::Importance& importance,
                                    serpette::Ratio ratio) const {
    auto counts = serpette::PerLayer{}.removed(graph, sets, importance, ratio);
    counts.front() = 0;
    return counts;
  }
};
static_assert(serpette::Allocation<SpareTheFirst>);
// [allocation]

}  // namespace

using namespace serpette;

TEST_CASE("a granularity and an allocation of one's own hold the laws, alone and together",
          "[granularity][allocation][law]") {
  const auto graph = test::all_kinds();
  laws::prune_granularity(KernelRow{}, graph);
  laws::prune_granularity(Weight{}, graph, SpareTheFirst{});
  laws::prune_granularity(Filter{}, graph, SpareTheFirst{});
  laws::allocation(SpareTheFirst{}, graph, KernelRow{});
  const auto mask = make_mask(graph, laws::random_scores(graph, Seed(1)), Ratio::percent(50),
                              KernelRow{}, SpareTheFirst{});
  CHECK(mask[0].weight.all().item<bool>());
  CHECK(mask[1].weight.count_nonzero().item<std::int64_t>() == mask[1].weight.numel() / 2);
}
