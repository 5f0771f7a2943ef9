// expect-error: WeighsPieces, Halves
#include "serpette/concepts/prune_granularity.hpp"

struct Halves {
  static constexpr std::string_view name = "Halves";
  std::vector<serpette::PieceSet> pieces(const serpette::Graph&) const { return {}; }
#ifdef PASSING_TWIN
  serpette::Importance importance(const serpette::Graph&, const serpette::ScoreMap&) const {
    return {};
  }
#else
  serpette::Importance importance(const serpette::Graph&) const { return {}; }
#endif
  serpette::Mask mask(const serpette::Graph&, const serpette::Choice&) const { return {}; }
};
static_assert(serpette::PruneGranularity<Halves>);
