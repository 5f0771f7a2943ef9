// Every policy beside the others of its family, on drawn scenes or on data that people give: which
// score under which granularity, how much where, in how many rounds, what training minimises and
// under which attack.
//   policies --out out/policies --runs 3 --ratios 50,75,90
// Each sheet is a study of its own that goes on where it was: scores, allocations and schedules
// share one, 2:4 has its own, which ends at 50 %, and every objective and every attack to train
// under has one with as many steps as take it the same time. docs/policies.py makes
// docs/policies/results.md of their cells.csv.
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "serpette/app/program.hpp"
#include "serpette/app/run_scenarios.hpp"
#include "serpette/attack/apgd.hpp"
#include "serpette/attack/carlini_wagner.hpp"
#include "serpette/attack/fgsm.hpp"
#include "serpette/attack/mtd.hpp"
#include "serpette/attack/noise.hpp"
#include "serpette/attack/pgd_l2.hpp"
#include "serpette/attack/square.hpp"
#include "serpette/attack/tog.hpp"
#include "serpette/formats/darknet/cfg.hpp"
#include "serpette/objective/adversarial_only.hpp"
#include "serpette/objective/both_forms.hpp"
#include "serpette/objective/clean.hpp"
#include "serpette/objective/distilled.hpp"
#include "serpette/objective/fast_adversarial.hpp"
#include "serpette/objective/free_adversarial.hpp"
#include "serpette/objective/mixed.hpp"
#include "serpette/objective/trades_like.hpp"
#include "serpette/objective/under.hpp"
#include "serpette/prune/block.hpp"
#include "serpette/prune/both.hpp"
#include "serpette/prune/input_channel.hpp"
#include "serpette/prune/layers.hpp"
#include "serpette/prune/n_of_m.hpp"
#include "serpette/scenario/registry.hpp"
#include "serpette/score/batch_norm_gamma.hpp"
#include "serpette/score/deep_lift_layer.hpp"
#include "serpette/score/deep_lift_trained.hpp"
#include "serpette/score/hydra_untrained.hpp"
#include "serpette/score/random.hpp"
#include "serpette/score/snip.hpp"
#include "serpette/score/taylor.hpp"
#include "support/demo_data.hpp"

namespace serpette::policies_program {

namespace {

/// A scenario under an id, what shipped scenarios spare spared.
template <class Score, class Granularity, class Objective = PgdAdversarial>
ListedScenario variant(const std::string& id, const Score& score, const Objective& objective = {},
                       AllocationKind kind = AllocationKind::kPerLayer,
                       const Rounds& schedule = {}) {
  using S = Scenario<Score, Granularity, Pgd, Rgb, Objective>;
  return Registered<S>{id,
                       id,
                       false,
                       {.score = score,
                        .objective = objective,
                        .allocation = {.kind = kind, .limits = kSpared},
                        .schedule = schedule}};
}

/// Every score under a granularity.
/// @param by  what DeepLIFT's are divided by: pieces are told apart by what is left of them.
template <class Granularity>
void add_scores(ScenarioList& list, const std::string& granularity, Normalise by) {
  const auto add = [&](const std::string& score, const auto& policy) {
    list.push_back(variant<std::remove_cvref_t<decltype(policy)>, Granularity>(
        granularity + "-" + score, policy));
  };
  add("hydra", Hydra{});
  add("hydra-untrained", HydraUntrained{});
  add("deeplift", DeepLift{.normalise = by});
  add("deeplift-trained", DeepLiftTrained{.start = {.normalise = by}});
  add("deeplift-layer", DeepLiftLayer{});
  add("magnitude", Magnitude{});
  add("snip", Snip{});
  add("taylor", Taylor{});
  add("random", Random{});
  if constexpr (removes_filters<Granularity>) add("bn-gamma", BatchNormGamma{});
}

/// HYDRA's weights and whole filters, otherwise shared out or in other rounds.
void add_ways(ScenarioList& list, std::string_view way, AllocationKind kind, const Rounds& rounds) {
  const auto id = [&](const char* of) { return fmt::format("{}-hydra-{}", of, way); };
  list.push_back(variant<Hydra, Weight>(id("weight"), {}, PgdAdversarial{}, kind, rounds));
  list.push_back(variant<Hydra, Filter>(id("filter"), {}, PgdAdversarial{}, kind, rounds));
}

/// Scores × granularities; allocations and schedules for two of these.
ScenarioList shared_training() {
  ScenarioList list;
  add_scores<Weight>(list, "weight", Normalise::kFilter);
  add_scores<Kernel>(list, "kernel", Normalise::kFilter);
  add_scores<InputChannel>(list, "input-channel", Normalise::kFilter);
  add_scores<Block<4, 4>>(list, "block-4x4", Normalise::kFilter);
  add_scores<Filter>(list, "filter", Normalise::kLayer);
  add_scores<Both<Filter, Weight>>(list, "filter-and-weight", Normalise::kLayer);
  add_scores<Layers>(list, "layers", Normalise::kNone);
  for (const auto& [word, kind] : words(AllocationKind{}))
    if (kind != AllocationKind::kPerLayer) add_ways(list, word, kind, {});  // it is weight-hydra's
  for (const auto& [word, curve] : words(Curve{}))
    if (curve != Curve::kOneShot)
      add_ways(list, word, AllocationKind::kPerLayer, {.curve = curve, .rounds = 4});
  return list;
}

ScenarioList two_of_four() {
  ScenarioList list;
  add_scores<NofM<2, 4>>(list, "2-of-4", Normalise::kFilter);
  return list;
}

/// What training minimises, and what a step of it costs: forward and backward passes over the
/// batch.
struct CostlyObjective {
  ListedScenario scenario;
  double passes;
};

/// All objectives, and the paper's under every attack in place of PGD (`under-…`), with magnitudes
/// of weights, whose scores take no training of their own. All are evaluated under PGD.
std::vector<CostlyObjective> objectives() {
  constexpr int kSteps = Pgd{}.steps;  // a pass each
  std::vector<CostlyObjective> all;
  const auto add = [&](const std::string& id, double passes, const auto& objective) {
    all.push_back({variant<Magnitude, Weight, std::remove_cvref_t<decltype(objective)>>(
                       id, Magnitude{}, objective),
                   passes});
  };
  using Strong = Under<Pgd, AdversarialOnly>;
  using Vanishing = Under<TogVanishing, AdversarialOnly>;
  using Mislabelling = Under<TogMislabelling, AdversarialOnly>;
  add("pgd-adversarial", 1 + kSteps / 2.0, PgdAdversarial{});
  add("both-forms", 2 + kSteps, BothForms{});
  add("adversarial-only", 1 + kSteps, AdversarialOnly{});
  add("clean", 1, Clean{});
  add("free-4", 1, FreeAdversarial<4>{});
  add("fast", 2, FastAdversarial{});
  add("trades-like", 2 + kSteps, TradesLike{});
  add("mtd", 1 + 2 * (kSteps + 1), Under<Mtd, AdversarialOnly>{});
  add("mixed", 1 + (kSteps + 2 * TogVanishing{}.steps) / 3.0,
      Mixed<Strong, Vanishing, Mislabelling>{
          {Strong{.attack = {.epsilon = 0.1, .step = 0.04}},
           Vanishing{.attack = {.epsilon = 0.1, .step = 0.025}},
           Mislabelling{.attack = {.epsilon = 0.1, .step = 0.025}}}});
  add("distilled", 2 + 1 / 3.0 + kSteps / 2.0, Distilled<PgdAdversarial>{});

  // Of PGD's radius and as many passes for half of the images, where the attack has steps.
  const auto under = [&](const std::string& word, double passes, const auto& attack) {
    add("under-" + word, 1 + passes / 2,
        Under<std::remove_cvref_t<decltype(attack)>, PgdAdversarial>{.attack = attack});
  };
  under("noise", 0, Noise{});
  under("fgsm", 1, Fgsm{});
  under("pgd-random-start", kSteps, Pgd{.random_start = true});
  under("pgd-l2", kSteps, PgdL2{.steps = kSteps});
  under("apgd", kSteps, Apgd{.steps = kSteps});
  under("square", kSteps, Square{.queries = 3 * kSteps});  // a query is a third of a pass
  under("cw", kSteps, CarliniWagner{.searches = 1, .steps = kSteps});
  under("tog-untargeted", kSteps, TogUntargeted{.epsilon = 0.05, .step = 0.02, .steps = kSteps});
  under("tog-vanishing", kSteps, TogVanishing{.epsilon = 0.05, .step = 0.02, .steps = kSteps});
  under("tog-fabrication", kSteps, TogFabrication{.epsilon = 0.05, .step = 0.02, .steps = kSteps});
  under("tog-mislabelling", kSteps,
        TogMislabelling{.epsilon = 0.05, .step = 0.02, .steps = kSteps});
  return all;
}

std::vector<std::string> ids_among(const ScenarioList& list,
                                   const std::vector<std::string>& wanted) {
  std::vector<std::string> ids;
  for (const auto& entry : list)
    if (wanted.empty() || std::ranges::find(wanted, entry.id) != wanted.end())
      ids.push_back(entry.id);
  return ids;
}

/// Without the variants that prune nothing of the network, as `Layers` where it has no residual
/// block: says which, and why.
ScenarioList that_fit(const Graph& graph, const ScenarioList& list) {
  ScenarioList fitting;
  for (const auto& entry : list) {
    try {
      entry.scenario.pruning.require_possible(graph, {});
      fitting.push_back(entry);
    } catch (const Error& error) {
      fmt::print(stderr, "note: {} is left out: {}\n", entry.id, error.what());
    }
  }
  return fitting;
}

/// Runs some variants of a sheet in a folder of its own.
int run_sheet(const ScenarioList& list, const std::vector<std::string>& wanted,
              const std::string& name, cli::ExperimentOptions o) {
  const auto ids = ids_among(list, wanted);
  if (ids.empty()) return 0;
  o.out /= name;
  fmt::print("{}: {}\n", name, fmt::join(ids, ", "));
  std::fflush(stdout);
  return cli::run_scenarios(list, ids, o);
}

}  // namespace

int main(int argc, char** argv) {
  return cli::run_main([&] {
    cli::ExperimentOptions o;
    o.out = "out/policies";
    o.runs = 3;
    o.ratios = {"50", "75", "90"};
    std::vector<std::string> wanted;
    auto shared = shared_training();
    const auto hardware = two_of_four();
    const auto goals = objectives();
    CLI::App app("Every policy beside the others of its family, on drawn scenes or on your data.");
    o.add_to(app, true);
    app.add_option("--variants", wanted, "Which to run, by their ids")
        ->delimiter(',')
        ->type_name("LIST")
        ->default_str("all");
    cli::parse(app, argc, argv);
    for (const auto& id : wanted) {
      std::vector<std::string> known = ids_among(shared, {});
      for (const auto& also : ids_among(hardware, {})) known.push_back(also);
      for (const auto& goal : goals) known.push_back(goal.scenario.id);
      require(std::ranges::find(known, id) != known.end(), "--variants",
              "should be some of {}, got \"{}\"", fmt::join(known, ", "), id);
    }
    const bool own_network = o.network_given(), own_data = o.data_given();
    if (!own_network) cli::use_shipped_network(o);
    if (!own_data) cli::use_drawn_scenes(o, {.train = 1000, .test = 128, .seed = 78});
    if (wanted.empty()) shared = that_fit(load_cfg(o.cfg), shared);  // one that is named is refused

    constexpr int kStopped = 130;
    int status = run_sheet(shared, wanted, "scores", o);
    if (status == kStopped) return status;
    auto half = o;
    half.ratios = {"50"};
    status = std::max(status, run_sheet(hardware, wanted, "two-of-four", half));
    for (const auto& [scenario, passes] : goals) {
      if (status == kStopped) break;
      auto equal_time = o;
      equal_time.ratios = cli::with_unpruned(o.ratios);
      equal_time.budget.stretch = goals.front().passes / passes;
      status =
          std::max(status, run_sheet({scenario}, wanted, "objectives/" + scenario.id, equal_time));
    }
    return status;
  });
}

}  // namespace serpette::policies_program
