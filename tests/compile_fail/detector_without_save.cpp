// expect-error: Saves, Unsaved
#include "serpette/concepts/any_detector.hpp"

struct Unsaved : serpette::AnyDetector {
  Unsaved clone() const;
  Unsaved compact(const serpette::Mask&) const;
#ifdef PASSING_TWIN
  static Unsaved load(const std::filesystem::path&, const std::filesystem::path&);
#endif
};
static_assert(serpette::Detector<Unsaved>);
