// expect-error: TrainingFlagsAreConstants, Mine
#include "serpette/concepts/objective.hpp"

struct Mine {
  static constexpr std::string_view name = "Mine";
#ifdef PASSING_TWIN
  static constexpr int replays = 4;
#else
  int replays = 4;
#endif

  struct State {
    template <serpette::Detector D>
    at::Tensor loss(D& detector, const serpette::ImageBatch& batch, const serpette::Adversary&) {
      return detector.loss(detector.forward(batch.images), batch.truth).total();
    }
  };
  State start(const serpette::TrainingContext&) const { return {}; }
};
static_assert(serpette::Objective<Mine>);
