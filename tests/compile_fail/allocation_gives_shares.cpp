// expect-error: SaysHowMany
#include "serpette/concepts/allocation.hpp"

struct Halves {
  static constexpr std::string_view name = "Halves";
#ifdef PASSING_TWIN
  std::vector<std::int64_t>
#else
  std::vector<double>
#endif
  removed(const serpette::Graph&, const std::vector<serpette::PieceSet>& sets,
          const serpette::Importance&, serpette::Ratio) const {
    return {sets.size(), 0};
  }
};
static_assert(serpette::Allocation<Halves>);
