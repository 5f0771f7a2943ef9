// expect-error: SaysHowMany, Halves
#include "serpette/concepts/allocation.hpp"

struct Halves {
  static constexpr std::string_view name = "Halves";
#ifdef PASSING_TWIN
  using Removed = std::vector<std::int64_t>;
#else
  using Removed = std::vector<double>;
#endif
  Removed removed(const serpette::Graph&, const std::vector<serpette::PieceSet>& sets,
                  const serpette::Importance&, serpette::Ratio) const {
    return Removed(sets.size());
  }
};
static_assert(serpette::Allocation<Halves>);
