// Which choices make a score rank well? Every choice of DeepLIFT and HYDRA, and the floors below
// them, is a scenario of its own; all else (robust training, fine-tuning, evaluation) they share:
//   ablation --out out/ablation --runs 3 --ratios 50,75,85,95
// Without data it draws scenes of a seed that no demo or study has, so that what is chosen here is
// not chosen on a test set. docs/ablation.py makes docs/ablation.md of its cells.csv.
#include <CLI/CLI.hpp>

#include "serpette/app/program.hpp"
#include "serpette/app/run_scenarios.hpp"
#include "serpette/scenario/registry.hpp"
#include "serpette/score/deep_lift_layer.hpp"
#include "serpette/score/deep_lift_trained.hpp"
#include "serpette/score/normalised.hpp"
#include "serpette/score/random.hpp"
#include "serpette/score/snip.hpp"
#include "serpette/score/taylor.hpp"
#include "support/demo_data.hpp"

namespace serpette::ablation_program {

namespace {

template <class Score, class Granularity>
using Under = Scenario<Score, Granularity, Pgd, Rgb>;

/// One variant: an id, and a score where it is not the default.
template <class Score, class Granularity>
constexpr auto variant(std::string_view id, Score score = {}) {
  return Registered<Under<Score, Granularity>>{id, id, false, {.score = score}};
}
template <class Score>
constexpr auto weights(std::string_view id, Score score = {}) {
  return variant<Score, Weight>(id, score);
}

constexpr auto kVariants = boost::hana::make_tuple(
    weights<DeepLift>("deeplift"),
    // What is explained.
    weights<DeepLift>("deeplift-target-detection", {.target = Target::kDetection}),
    weights<DeepLift>("deeplift-target-detection-box", {.target = Target::kDetectionAndBox}),
    weights<DeepLift>("deeplift-target-logits", {.target = Target::kLogits}),
    weights<DeepLift>("deeplift-target-loss", {.target = Target::kLoss}),
    // With what the image is compared.
    weights<DeepLift>("deeplift-reference-grey", {.reference = Reference::kLetterboxGrey}),
    weights<DeepLift>("deeplift-reference-mean", {.reference = Reference::kImageMean}),
    weights<DeepLift>("deeplift-reference-blurred", {.reference = Reference::kBlurred}),
    weights<DeepLift>("deeplift-reference-clean-twin", {.reference = Reference::kCleanTwin}),
    // How multipliers pass a nonlinearity.
    weights<DeepLift>("deeplift-rule-reveal-cancel", {.rule = AttributionRule::kRevealCancel}),
    // How images become one number.
    weights<DeepLift>("deeplift-aggregate-rms", {.aggregate = Aggregate::kRms}),
    weights<DeepLift>("deeplift-aggregate-signed", {.aggregate = Aggregate::kSigned}),
    // What scores are divided by.
    weights<DeepLift>("deeplift-normalise-none", {.normalise = Normalise::kNone}),
    weights<DeepLift>("deeplift-normalise-filter-input", {.normalise = Normalise::kFilterAndInput}),
    weights<DeepLift>("deeplift-undivided-detection",
                      {.target = Target::kDetection, .normalise = Normalise::kNone}),
    weights<DeepLiftLayer>("deeplift-layer"), weights<DeepLiftTrained>("deeplift-trained"),
    // HYDRA's learning rate: the source's for a mean loss, and smaller ones.
    weights<Hydra>("hydra"), weights<Hydra>("hydra-0.1", {.optimizer = {.learning_rate = 0.1}}),
    weights<Hydra>("hydra-0.001", {.optimizer = {.learning_rate = 0.001}}),
    // Floors.
    weights<Magnitude>("magnitude"), weights<Normalised<Magnitude>>("magnitude-share"),
    weights<Snip>("snip"), weights<Normalised<Snip>>("snip-share"), weights<Taylor>("taylor"),
    weights<Random>("random"),
    // Kernels and whole filters.
    variant<DeepLift, Kernel>("kernel-deeplift"),
    variant<DeepLift, Kernel>("kernel-deeplift-layer", {.normalise = Normalise::kLayer}),
    variant<Hydra, Kernel>("kernel-hydra"), variant<Magnitude, Kernel>("kernel-magnitude"),
    variant<DeepLiftOfFilters, Filter>("filter-deeplift"),
    variant<DeepLiftOfFilters, Filter>("filter-deeplift-detection", {.target = Target::kDetection}),
    variant<Hydra, Filter>("filter-hydra"), variant<Magnitude, Filter>("filter-magnitude"),
    variant<Random, Filter>("filter-random"));

}  // namespace

int main(int argc, char** argv) {
  return cli::run_main([&] {
    cli::ExperimentOptions o;
    o.out = "out/ablation";
    o.runs = 3;
    std::vector<std::string> ids;
    const auto variants = listed(kVariants);
    for (const auto& entry : variants) ids.push_back(entry.id);
    o.policies.offer_scenarios(variants);
    CLI::App app("Ranks the choices that scores have, each as a scenario of its own.");
    o.add_to(app, true);
    app.add_option("--variants", ids, "Which to run")
        ->delimiter(',')
        ->type_name("LIST")
        ->default_str("all");
    cli::parse(app, argc, argv);
    cli::check_options(variants, ids, o);
    const bool own_network = o.network_given(), own_data = o.data_given();
    if (!own_network) cli::use_shipped_network(o);
    if (!own_data) cli::use_drawn_scenes(o, {.train = 1000, .test = 128, .seed = 77});
    return cli::run_scenarios(variants, ids, o);
  });
}

}  // namespace serpette::ablation_program
