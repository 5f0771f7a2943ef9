// expect-error: MakesTwins, Disturbed
#include "serpette/attack/fgsm.hpp"
#include "serpette/attack/no_attack.hpp"
#include "serpette/color/rgb.hpp"
#include "serpette/prune/weight.hpp"
#include "serpette/scenario/scenario.hpp"

/// What an attack changes.
struct Disturbed {
  static constexpr std::string_view name = "Disturbed";
  static constexpr bool needs_twins = true;
  at::Tensor score(const serpette::LayerView& layer, serpette::Generator&) const {
    return layer.weight;
  }
};

#ifdef PASSING_TWIN
using Mine = serpette::Scenario<Disturbed, serpette::Weight, serpette::Fgsm, serpette::Rgb>;
#else
using Mine = serpette::Scenario<Disturbed, serpette::Weight, serpette::NoAttack, serpette::Rgb>;
#endif
Mine mine;
