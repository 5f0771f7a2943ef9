// 03 Own score: another notion of which weights matter, with the whole command line of a scenario.
//
// A policy is a type: nothing to register, nothing to inherit. This one says that a weight matters
// as far as it is large and is fed by an active channel. Put into a Scenario it runs like those
// that ship: robust training, scores, mask, fine-tuning, evaluation, timing, with a checkpoint
// behind every stage. README and docs show the part between the markers.
//
//   03_own_score --cfg F --weights F --images DIR --annotations F --test-images DIR
//                --test-annotations F --out DIR
// [program]
#include <serpette/app/scenario_main.hpp>
#include <serpette/scenario/paper.hpp>

// [policy]
/// Score = |w| · mean |x| of the channel that feeds it.
struct ActivityWeighted {
  static constexpr std::string_view name = "Activity weighted";
  double floor = 1e-8;  ///< Added to each mean |x| [unit of x], so that silent inputs still rank.

  at::Tensor score(const serpette::LayerView& layer, serpette::Generator&) const {
    const auto activity = layer.input.abs().mean({0, 2, 3}).add(floor);  // [C_in]
    return layer.weight.abs().mul(activity.view({1, -1, 1, 1}));         // [C_out, C_in, k_h, k_w]
  }
};
static_assert(serpette::ScoreInit<ActivityWeighted>);
using Mine = serpette::Scenario<ActivityWeighted, serpette::Filter, serpette::Pgd, serpette::Rgb>;
// [policy]

int main(int argc, char** argv) {
  return serpette::cli::scenario_main<Mine>("activity_weighted", "Structured activity weighted",
                                            argc, argv);
}
// [program]
