// expect-error: RemovalFlagsAreConstants, Halves
#include "serpette/concepts/prune_granularity.hpp"

struct Halves {
  static constexpr std::string_view name = "Halves";
#ifdef PASSING_TWIN
  static constexpr bool removes_filters = true;
#else
  bool removes_filters = true;
#endif
  std::vector<serpette::PieceSet> pieces(const serpette::Graph&) const { return {}; }
  serpette::Importance importance(const serpette::Graph&, const serpette::ScoreMap&) const {
    return {};
  }
  serpette::Mask mask(const serpette::Graph&, const serpette::Choice&) const { return {}; }
};
static_assert(serpette::PruneGranularity<Halves>);
