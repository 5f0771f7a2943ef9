// How robust a network really is: a suite of attacks, the worst case per image, AP50 over the
// attack's strength, what breaks (places or names), and whether gradients are masked.
//
//   robustness --cfg network.cfg --weights network.weights --images photos --annotations
//   instances.json --out robustness [--transfer-cfg unpruned.cfg --transfer-weights
//   unpruned.weights]
//
// Every attack is kept when it is finished; a stopped run goes on with the next one.

#include <ATen/Parallel.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "serpette/app/policies.hpp"
#include "serpette/app/program.hpp"
#include "serpette/app/suite_options.hpp"
#include "serpette/app/used_folder.hpp"
#include "serpette/io/atomic_file.hpp"
#include "serpette/io/file_fingerprint.hpp"
#include "serpette/method/identity.hpp"
#include "serpette/method/robustness.hpp"
#include "serpette/metric/coco_report.hpp"
#include "serpette/study/cells.hpp"
#include "serpette/study/kept_trials.hpp"
#include "serpette/study/progress.hpp"
#include "serpette/study/store.hpp"
#include "serpette/study/suite.hpp"
#include "serpette/study/workers.hpp"
#include "serpette_report/figure.hpp"
#include "support/test_data.hpp"

namespace serpette::robustness_program {

namespace {

using Json = nlohmann::ordered_json;

struct Options {
  cli::TestData data;
  cli::ColorOption color;
  cli::SuiteOptions suite = cli::SuiteOptions::always({0.0125, 0.025, 0.05, 0.1, 0.3, 1});
  std::vector<std::string> attacks;
  std::filesystem::path transfer_cfg, transfer_weights;
  std::string scenario = "network", ratio = "0";
  std::int64_t run = 1;
};

/// A trial and what it left.
struct Tried {
  Trial trial;
  TrialResult result;
};

/// The attacks that were asked for; clean images always.
/// @throws Error  if a name is none of the suite's.
std::vector<Trial> chosen(const Options& o) {
  auto suite = o.suite.trials(!o.transfer_cfg.empty());
  std::vector<std::string> known;
  for (const auto& trial : suite)
    if (!trial.for_curve && trial.access != Access::kNone) known.push_back(trial.id);
  for (const auto& name : o.attacks)
    require(std::ranges::find(known, name) != known.end(), "--attacks",
            "should be some of {}, got \"{}\"{}", fmt::join(known, ", "), name,
            name == "transfer" ? "; it needs --transfer-cfg and --transfer-weights" : "");
  cli::require_once(o.attacks, "--attacks", "attack");
  if (!o.attacks.empty())
    std::erase_if(suite, [&](const Trial& trial) {
      return !trial.for_curve && trial.access != Access::kNone &&
             std::ranges::find(o.attacks, trial.id) == o.attacks.end();
    });
  return suite;
}

/// Refuses settings of the suite that none of its attacks has a use for.
/// @throws Error  naming the option.
void require_effect(const Options& o, const std::vector<Trial>& suite) {
  const auto pgd = fmt::format("pgd-{}", o.suite.settings().steps);
  const std::map<std::string, std::vector<std::string>> uses{
      {"--steps", {pgd, "apgd", "cw", "transfer"}},
      {"--restarts", {pgd}},
      {"--queries", {"square"}}};
  for (const auto& option : o.suite.given())
    if (const auto use = uses.find(option); use != uses.end())
      require(std::ranges::any_of(suite,
                                  [&](const Trial& trial) {
                                    return std::ranges::find(use->second, trial.id) !=
                                           use->second.end();
                                  }),
              option, "should come with one of the attacks {}, got {}",
              fmt::join(use->second, ", "), fmt::join(o.attacks, ", "));
  require(o.transfer_cfg.empty() || !o.suite.strengths().empty() ||
              std::ranges::find(suite, "transfer", &Trial::id) != suite.end(),
          "--transfer-cfg", "should come with the attack transfer or with --strengths, got {}",
          fmt::join(o.attacks, ", "));
}

Json json_of(const std::vector<ProfiledNumber>& numbers) {
  Json json;
  for (const auto& [profile, metric, value] : numbers)
    json[std::string(profile)][std::string(metric)] = value;
  return json;
}

double number(const Json& json, const char* metric) {
  return json["standard"][metric].get<double>();
}

/// A number as the table shows it; COCO's −1 says that there is none.
std::string shown(double value) { return value < 0 ? "–" : fmt::format("{:.3f}", value); }

/// AP50 over the attack's strength, a curve for each network.
Figure strength_figure(const std::vector<std::pair<std::string, std::vector<Tried>>>& networks,
                       double worst, double epsilon) {
  Figure figure{"AP50 by the strength of the attack", "Largest change of a pixel, ε", "AP50", {}};
  std::size_t hue = 0;
  for (const auto& [label, tried] : networks) {
    Series series{label, series_style(hue++), {}, {}, {}};
    std::map<double, double> points;
    for (const auto& [trial, result] : tried)
      if (trial.for_curve || trial.access == Access::kNone)
        points[trial.attack.epsilon()] = result.evaluation.standard.AP50;
    for (const auto& [x, y] : points) {
      series.x.push_back(x);
      series.mean.push_back(y);
      series.spread.push_back(0);
    }
    figure.series.push_back(std::move(series));
  }
  figure.levels.push_back(
      {fmt::format("worst case per image, ε {:.4g}", epsilon), series_style(hue), worst, 0});
  return figure;
}

void run(const Options& o, const ErasedColorMode& color) {
  const auto device = cli::parse_device(o.data.device);
  const auto settings = o.suite.settings();
  const auto suite = chosen(o);
  require_effect(o, suite);
  cli::require_files({o.transfer_cfg, o.transfer_weights});
  auto detector = o.data.load_network(
      device, {"evaluations.csv", "robustness.json", "strengths.svg", "configuration.txt"});
  std::optional<Yolov3> other;
  if (!o.transfer_cfg.empty()) {
    other = cli::TestData::load_whole(o.transfer_cfg, o.transfer_weights, device);
    const auto &mine = detector.graph(), &theirs = other->graph();
    require(theirs.input == mine.input && theirs.classes() == mine.classes(),
            o.transfer_cfg.string(),
            "should read pictures of {} x {} and know {} classes as {} does, got {} x {} and {}",
            mine.input.width, mine.input.height, mine.classes(), o.data.cfg.string(),
            theirs.input.width, theirs.input.height, theirs.classes());
  }
  const auto data = o.data.load_pictures(detector.graph());
  auto lines = o.data.lines();
  lines.push_back({"color", o.color.name});
  lines.push_back({"batch-size", fmt::to_string(o.data.batch_size)});  // whose randomness is one
  lines.push_back({"classes", fingerprint(fmt::format(
                                  "{}", fmt::join(cli::class_names(data.instances()), "\n")))});
  if (other) {
    lines.push_back({"transfer-cfg", file_fingerprint(o.transfer_cfg)});
    lines.push_back({"transfer-weights", file_fingerprint(o.transfer_weights)});
  }
  const Store store = cli::open_results(o.data.out, o.data.force, "robustness", std::move(lines),
                                        {machine_kind(device, {1, at::get_num_threads()})});
  for (const auto& note : store.notes()) fmt::print(stderr, "note: {}\n", note);
  const EvaluateSettings evaluation{.batch_size = o.data.batch_size};
  const Seed seed = Seed(o.data.seed).derive("robustness");
  Progress progress;
  notify::stage(progress, "gradients", data.size());
  const auto flow = gradient_flow(detector, data, color, evaluation, device);
  const auto truth = cli::readable(data);  // all pictures have been read
  // Of these pictures: one that is mended or replaced was not seen by what an earlier run kept.
  const KeptTrials kept(
      store, store.root() / "attacks", truth,
      fmt::format("{}, {} pictures readable", identity_of(data), truth.images.size()));

  const auto tried = [&](Yolov3& network, Yolov3* transfer, const std::vector<Trial>& trials,
                         const std::string& prefix) {
    const auto frozen = network.frozen();
    std::vector<Tried> all;
    for (const auto& trial : trials) {
      Yolov3& attacked = trial.access == Access::kTransfer ? *transfer : network;
      all.push_back({trial, kept.get(prefix + trial.id, trial, [&] {
                       notify::stage(progress, trial.attack.label, data.size());
                       return evaluate_trial(network, frozen, attacked, data, color,
                                             trial.attack.attack, evaluation, seed.derive(trial.id),
                                             device, progress);
                     })});
    }
    return all;
  };
  std::vector<std::pair<std::string, std::vector<Tried>>> networks;
  networks.reserve(2);
  networks.emplace_back(o.scenario, tried(detector, other ? &*other : nullptr, suite, ""));
  if (other && !o.suite.strengths().empty()) {
    auto curve = suite;
    std::erase_if(curve, [](const Trial& t) { return !t.for_curve && t.access != Access::kNone; });
    networks.emplace_back("the other network", tried(*other, nullptr, curve, "other-"));
  }
  const auto& all = networks.front().second;
  progress.clear();

  std::vector<const Evaluation*> in_ball;
  std::vector<std::string> labels;
  for (const auto& [trial, result] : all)
    if (is_in_worst_case(trial)) {
      in_ball.push_back(&result.evaluation);
      labels.push_back(trial.attack.label);
    }
  const auto worst = worst_cases(truth, in_ball);
  const auto by_attack = [&](const WorstCase& of) {
    std::map<std::string, int> images;
    for (const auto& [id, attack] : of.attack) ++images[labels[attack]];
    return images;
  };

  std::vector<UnderAttack> measured;
  for (const auto& [trial, result] : all)
    measured.push_back({trial.attack.label, trial.access, trial.attack.epsilon(), trial.steps,
                        result.evaluation.standard.AP50});
  const auto signs = signs_of_masking(measured, flow.share());

  std::vector<EvaluationRow> rows;
  Json attacks = Json::array();
  fmt::print("{:<18} {:>7} {:>7} {:>12} {:>14} {:>9}\n", "attack", "ε", "AP50", "AP50 places",
             "rightly named", "seconds");
  const auto report = [&](const std::string& label, double epsilon, const Evaluation& at_standard,
                          const Evaluation& at_paper, double seconds) {
    const auto numbers = suite_numbers(truth, at_standard, at_paper);
    for (const auto& [profile, metric, value] : numbers)
      rows.push_back({o.scenario, o.run, o.ratio, label, epsilon, std::string(profile),
                      std::string(metric), value});
    const auto json = json_of(numbers);
    fmt::print("{:<18} {:>7.4g} {:>7} {:>12} {:>14} {:>9.1f}\n", label, epsilon,
               shown(number(json, "AP50")), shown(number(json, "AP50_places")),
               shown(number(json, "rightly_named")), seconds);
    return json;
  };
  for (const auto& [trial, result] : all) {
    Json entry{{"attack", trial.attack.label},      {"epsilon", trial.attack.epsilon()},
               {"settings", trial.attack.settings}, {"max_abs", result.max_abs},
               {"mean_l2", result.mean_l2},         {"seconds", result.seconds}};
    entry.update(report(trial.attack.label, trial.attack.epsilon(), result.evaluation,
                        result.evaluation, result.seconds));
    attacks.push_back(std::move(entry));
  }
  auto worst_json =
      report("Worst case", settings.epsilon, worst.standard.evaluation, worst.paper.evaluation, 0);
  worst_json["paper"]["images_by_attack"] = by_attack(worst.paper);
  worst_json["standard"]["images_by_attack"] = by_attack(worst.standard);
  const Json json{{"images", truth.images.size()}, {"epsilon", settings.epsilon},
                  {"color", o.color.name},         {"attacks", attacks},
                  {"worst_case", worst_json},      {"vanished_gradients", flow.vanished},
                  {"masked_gradients", signs}};
  write_file(o.data.out / "robustness.json", json.dump(2) + "\n");
  write_file(o.data.out / "evaluations.csv", evaluations_csv(rows));
  if (!o.suite.strengths().empty())
    write_file(o.data.out / "strengths.svg",
               figure_svg(strength_figure(networks, worst.standard.evaluation.standard.AP50,
                                          settings.epsilon)));
  for (const auto& sign : signs) fmt::print("masked gradients: {}\n", sign);
  if (signs.empty()) fmt::print("no sign of masked gradients\n");
  fmt::print("files in {}\n", o.data.out.string());
}

}  // namespace

int main(int argc, char** argv) {
  return cli::run_main([&] {
    Options o;
    CLI::App app(
        "Measures how robust a network really is: under a suite of attacks, each image under its\n"
        "worst, and over the strength of the attack; says what breaks, places or names, and "
        "whether\n"
        "gradients are masked. Writes evaluations.csv, robustness.json and strengths.svg; a "
        "stopped\n"
        "run goes on with the attack that it was at.");
    o.data.add_to(app, "Only the first N pictures; 0: all");
    cli::add_force(app, o.data.force);
    o.color.add_to(app);
    app.add_option("--attacks", o.attacks,
                   "Some of the suite: noise, pgd-5, pgd-50, apgd, cw, tog-untargeted, "
                   "tog-vanishing,\ntog-fabrication, tog-mislabelling, square, transfer; without: "
                   "all")
        ->delimiter(',')
        ->type_name("LIST");
    auto* const cfg = app.add_option(
        "--transfer-cfg", o.transfer_cfg,
        "Another network, the unpruned one as a rule: attacks on it are tried on this one, and\nit "
        "gets a curve of its own");
    auto* const weights =
        app.add_option("--transfer-weights", o.transfer_weights, "Its weights")->needs(cfg);
    cfg->needs(weights);
    app.add_option("--scenario", o.scenario, "What evaluations.csv calls the network")
        ->capture_default_str();
    app.add_option("--run", o.run, "Its run there")->check(cli::kSome)->capture_default_str();
    app.add_option("--ratio", o.ratio, "Its pruning ratio there [%]")->capture_default_str();
    cli::under(app, "The suite", [&] { o.suite.add_to(app); });
    app.footer(
        "Example:\n  robustness --cfg yolov3-tiny.cfg --weights yolov3-tiny.weights --images "
        "photos --annotations instances.json --limit 100 --out robustness");
    cli::parse(app, argc, argv);
    o.scenario = scenario_id(o.scenario);
    o.ratio = ratio_text(o.ratio);
    run(o, o.color.chosen());
  });
}

}  // namespace serpette::robustness_program
