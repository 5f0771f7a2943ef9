// expect-error: GivesBatches, Still
#include "serpette/concepts/dataset.hpp"

struct Still {
  std::int64_t size() const { return 0; }
  serpette::ImageBatch batch(std::span<const std::int64_t>) const { return {}; }
  serpette::ImageBatch load(std::int64_t) const { return {}; }
  serpette::Instances instances() const { return {}; }
#ifdef PASSING_TWIN
  serpette::ImageBatch augmented(std::span<const std::int64_t>, serpette::Seed) const { return {}; }
#endif
};
static_assert(serpette::Dataset<Still>);
