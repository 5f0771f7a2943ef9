// expect-error: GivesLoss, Mine
#include "serpette/concepts/objective.hpp"

struct Mine {
  static constexpr std::string_view name = "Mine";

  struct State {
    template <serpette::Detector D>
#ifdef PASSING_TWIN
    at::Tensor loss(D& detector, const serpette::ImageBatch& batch, const serpette::Adversary&){
#else
    at::Tensor loss(D& detector, const serpette::ImageBatch& batch) {
#endif
        return detector.loss(detector.forward(batch.images), batch.truth).total();
  }
};
State start(const serpette::TrainingContext&) const { return {}; }
}
;
static_assert(serpette::Objective<Mine>);
