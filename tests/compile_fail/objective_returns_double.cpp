// expect-error: GivesLoss, Mine
#include "serpette/concepts/objective.hpp"

struct Mine {
  static constexpr std::string_view name = "Mine";

  struct State {
    template <serpette::Detector D>
#ifdef PASSING_TWIN
    at::Tensor loss(D& detector, const serpette::ImageBatch& batch, const serpette::Adversary&) {
      return detector.loss(detector.forward(batch.images), batch.truth).total();
    }
#else
    double loss(D&, const serpette::ImageBatch&, const serpette::Adversary&) {
      return 0;
    }
#endif
  };
  State start(const serpette::TrainingContext&) const { return {}; }
};
static_assert(serpette::Objective<Mine>);
