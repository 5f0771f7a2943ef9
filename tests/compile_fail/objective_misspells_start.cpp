// expect-error: StartsTraining, Mine
#include "serpette/concepts/objective.hpp"

struct Mine {
  static constexpr std::string_view name = "Mine";

  struct State {
    template <serpette::Detector D>
    at::Tensor loss(D& detector, const serpette::ImageBatch& batch, const serpette::Adversary&) {
      return detector.loss(detector.forward(batch.images), batch.truth).total();
    }
  };
#ifdef PASSING_TWIN
  State start(const serpette::TrainingContext&) const { return {}; }
#else
  State begin(const serpette::TrainingContext&) const { return {}; }
#endif
};
static_assert(serpette::Objective<Mine>);
