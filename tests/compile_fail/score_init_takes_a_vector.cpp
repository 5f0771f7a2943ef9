// expect-error: ScoresOneLayerOrAllLayers, Hoarder
#include "serpette/concepts/score_init.hpp"

struct Hoarder {
  static constexpr std::string_view name = "Hoarder";
  template <serpette::Detector D>
#ifdef PASSING_TWIN
  serpette::ScoreMap score_all(D&, const serpette::BatchStream&, serpette::Generator&) const {
#else
  serpette::ScoreMap score_all(D&, const std::vector<serpette::ImageBatch>&,
                               serpette::Generator&) const {
#endif
      return {};
}
}
;
static_assert(serpette::ScoreInit<Hoarder>);
