#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "serpette/core/reused_memory.hpp"
#include "serpette/data/coco_folder.hpp"
#include "serpette/deploy/plan.hpp"
#include "serpette/io/coco_json.hpp"
#include "serpette/model/yolov3.hpp"
#include "serpette/pipeline/budgets.hpp"
#include "serpette/pipeline/grid.hpp"
#include "serpette/pipeline/progress.hpp"
#include "serpette/pipeline/sweep.hpp"
#include "serpette/scenario/instances.hpp"
#include "serpette/scenario/registry.hpp"
#include "serpette/version.hpp"
#include "support/cli.hpp"

namespace serpette::cli {

/// What people type to set up an experiment.
struct ExperimentOptions {
  std::filesystem::path cfg, weights, images, annotations, test_images, test_annotations, out;
  std::vector<std::string> ratios{"0", "25", "50", "65", "75", "85", "90", "95", "99"};
  int runs = 1;
  std::uint64_t seed = 1;
  std::string device = "auto", budget = "demo";
  bool retry_failed = false;
  bool strict = false;        ///< An unreadable image is an error.
  int workers = 0;            ///< 0: chosen by the size of the network.
  int shard = 1, shards = 1;  ///< Which part of the cells this process does.
  bool dry_run = false, collect = false;
  Budget numbers;  ///< The named budget, with what was set alone.
};

/// One line per budget, for --help: what the names mean in numbers.
inline std::string budget_table() {
  auto table = fmt::format(
      "\nBudgets (each number can be set alone):\n  {:<8}{:>10}{:>8}{:>10}{:>8}{:>14}{:>13}{:>8}\n",
      "", "pretrain", "score", "finetune", "batch", "score images", "test images", "timed");
  for (const auto& [name, meaning, b] : kBudgets)
    table +=
        fmt::format("  {:<8}{:>10}{:>8}{:>10}{:>8}{:>14}{:>13}{:>8}  {}\n", name, b.pretrain.steps,
                    b.scores.steps, b.finetune.steps, b.finetune.batch_size, b.score_images,
                    b.evaluate.images ? fmt::to_string(b.evaluate.images) : "all",
                    b.evaluate.timing_images, meaning);
  return table;
}

/// The options every experiment has. Numbers given alone win over the named budget, in whatever
/// order they come.
inline void add_experiment_options(CLI::App& app, ExperimentOptions& o, bool own_data) {
  const auto needed = [&](CLI::Option* option) { return own_data ? option : option->required(); };
  needed(app.add_option("--cfg", o.cfg, "Network in darknet's format"));
  needed(app.add_option("--weights", o.weights, "Its pre-trained weights (darknet)"));
  needed(app.add_option("--images", o.images, "Folder of the training images"));
  needed(app.add_option("--annotations", o.annotations, "Their boxes (COCO instances JSON)"));
  needed(app.add_option("--test-images", o.test_images, "Folder of the test images"));
  needed(app.add_option("--test-annotations", o.test_annotations,
                        "Their boxes (COCO instances JSON)"));
  app.add_option("--ratios", o.ratios, "Pruning ratios in percent, each in [0, 100)")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--runs", o.runs, "Independent runs per ratio")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  app.add_option("--seed", o.seed, "Root of all randomness; equal seeds give equal results")
      ->capture_default_str();
  app.add_option("--out", o.out, "Folder for results; a stopped run goes on there")
      ->required(!own_data)
      ->capture_default_str();
  app.add_option("--device", o.device, "auto, cpu, cuda or cuda:N")->capture_default_str();
  app.add_option("--budget", o.budget, "smoke, demo or paper; see the table below")
      ->capture_default_str();
  app.add_option("--workers", o.workers,
                 "Cells computed at once, one thread each; 0: one per core for small networks")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  app.add_flag("--strict", o.strict,
               "Read every image first and refuse the data if one cannot be read, rather than "
               "report and go on");
  app.add_flag("--retry-failed", o.retry_failed, "Try cells again that failed before");
  app.footer(budget_table());
}

/// Options that set one number of the budget; read after the budget is known.
struct BudgetOverrides {
  std::optional<std::int64_t> pretrain_steps, score_steps, finetune_steps, batch_size, score_images,
      test_limit, timing_images, timing_warmup;
  std::optional<double> pretrain_learning_rate, finetune_learning_rate, attacked;

  void add_to(CLI::App& app) {
    const auto count = CLI::NonNegativeNumber;
    app.add_option("--pretrain-steps", pretrain_steps, "Steps of robust pre-training")
        ->check(count);
    app.add_option("--score-steps", score_steps, "Steps of HYDRA's score training, per ratio")
        ->check(count);
    app.add_option("--finetune-steps", finetune_steps, "Steps of robust fine-tuning, per cell")
        ->check(count);
    app.add_option("--batch-size", batch_size, "Images per step")
        ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 20));
    app.add_option("--score-images", score_images, "Images that DeepLIFT averages over")
        ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 40));
    app.add_option("--test-limit", test_limit, "Test images to evaluate on; 0: all")->check(count);
    app.add_option("--timing-images", timing_images, "Images timed one by one")
        ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 40));
    app.add_option("--timing-warmup", timing_warmup, "Images before the timing starts")
        ->check(count);
    app.add_option("--pretrain-learning-rate", pretrain_learning_rate, "Its learning rate")
        ->check(kNonNegative);
    app.add_option("--finetune-learning-rate", finetune_learning_rate, "Its learning rate")
        ->check(kNonNegative);
    app.add_option("--attacked", attacked, "Part of every training batch that is attacked")
        ->check(kNonNegative)
        ->check(CLI::Range(0.0, 1.0));
  }

  [[nodiscard]] Budget apply(Budget b) const {
    const auto set = [](auto& number, const auto& given) {
      if (given) number = *given;
    };
    set(b.pretrain.steps, pretrain_steps);
    set(b.scores.steps, score_steps);
    set(b.finetune.steps, finetune_steps);
    set(b.score_images, score_images);
    set(b.evaluate.images, test_limit);
    set(b.evaluate.timing_images, timing_images);
    set(b.evaluate.timing_warmup, timing_warmup);
    set(b.pretrain.learning_rate, pretrain_learning_rate);
    set(b.finetune.learning_rate, finetune_learning_rate);
    for (auto* stage : {&b.pretrain, &b.scores, &b.finetune}) {
      set(stage->batch_size, batch_size);
      set(stage->attacked, attacked);
    }
    return b;
  }
};

/// The settings of the shipped policies as options; what is not given keeps the policy's default.
struct PolicyOptions {
  std::optional<double> epsilon, step, score_learning_rate;
  std::optional<int> steps;
  bool random_start = false;
  std::optional<Reference> reference;
  std::optional<AttributionRule> rule;
  std::optional<Target> target;

  void add_to(CLI::App& app) {
    static const std::map<std::string, Reference> kReferences{
        {"zeros", Reference::kZeros},
        {"grey", Reference::kLetterboxGrey},
        {"mean", Reference::kImageMean},
        {"blurred", Reference::kBlurred},
        {"clean-twin", Reference::kCleanTwin}};
    static const std::map<std::string, Target> kTargets{
        {"detection", Target::kDetection}, {"detection+box", Target::kDetectionAndBox}};
    app.add_option("--epsilon", epsilon, "Attack: largest change of a pixel (0.05)")
        ->check(kNonNegative)
        ->check(CLI::Range(0.0, 1.0));
    app.add_option("--attack-step", step, "Attack: size of one PGD step (0.02)")
        ->check(kNonNegative)
        ->check(CLI::Range(0.0, 1.0));
    app.add_option("--attack-steps", steps, "Attack: number of PGD steps (5)")
        ->check(CLI::Range(0, 100000));
    app.add_flag("--attack-random-start", random_start, "Attack: start PGD at a random point");
    app.add_option("--deeplift-reference", reference,
                   "DeepLIFT: zeros, grey, mean, blurred or clean-twin (zeros)")
        ->transform(CLI::Transformer(kReferences))
        ->type_name("NAME");
    static const std::map<std::string, AttributionRule> kRules{
        {"rescale", AttributionRule::kRescale}, {"reveal-cancel", AttributionRule::kRevealCancel}};
    app.add_option("--deeplift-rule", rule, "DeepLIFT: rescale or reveal-cancel (rescale)")
        ->transform(CLI::Transformer(kRules))
        ->type_name("NAME");
    app.add_option("--deeplift-target", target,
                   "DeepLIFT: logits that it explains, detection (objectness and class) or "
                   "detection+box (detection)")
        ->transform(CLI::Transformer(kTargets))
        ->type_name("NAME");
    app.add_option("--score-learning-rate", score_learning_rate,
                   "HYDRA: first learning rate of the score training (0.1)")
        ->check(kNonNegative);
  }

  template <Attack A>
  void apply(A& attack) const {
    if constexpr (requires { attack.epsilon; }) attack.epsilon = epsilon.value_or(attack.epsilon);
    if constexpr (requires { attack.step; }) attack.step = step.value_or(attack.step);
    if constexpr (requires { attack.steps; }) attack.steps = steps.value_or(attack.steps);
    if constexpr (requires { attack.random_start; }) attack.random_start |= random_start;
  }

  template <ScoreInit Score>
  void apply(Score& score) const {
    if constexpr (requires { score.reference; })
      score.reference = reference.value_or(score.reference);
    if constexpr (requires { score.rule; }) score.rule = rule.value_or(score.rule);
    if constexpr (requires { score.target; }) score.target = target.value_or(score.target);
    if constexpr (requires { score.optimizer.learning_rate; })
      score.optimizer.learning_rate = score_learning_rate.value_or(score.optimizer.learning_rate);
  }

  /// The scenario with these settings.
  template <AnyScenario S>
  [[nodiscard]] S apply_to(S scenario) const {
    apply(scenario.attack);
    apply(scenario.score);
    return scenario;
  }
};

/// Everything read and checked before any work is done.
struct LoadedExperiment {
  Yolov3 detector;
  CocoFolder train, test;
  std::vector<Ratio> ratios;
  at::Device device;
  std::string configuration;  ///< What identifies the experiment, one `key: value` a line.
};

inline LoadedExperiment load_experiment(const ExperimentOptions& o) {
  std::vector<Ratio> ratios;
  for (const auto& text : o.ratios) {
    ratios.push_back(Ratio::parse(text));
    require(std::count(ratios.begin(), ratios.end(), ratios.back()) == 1, "--ratios",
            "should name each ratio once, got {} twice", text);
  }
  const auto device = parse_device(o.device);
  auto detector = Yolov3::load(o.cfg, o.weights);
  const auto& in = detector.graph().input;
  const auto read = [&](const std::filesystem::path& annotations,
                        const std::filesystem::path& images) {
    auto instances = load_instances(annotations);
    require(static_cast<int>(instances.categories.size()) == detector.graph().classes(),
            annotations.string(), "should have the {} classes of {}, got {} categories",
            detector.graph().classes(), o.cfg.string(), instances.categories.size());
    CocoFolder folder(std::move(instances), images,
                      {.width = in.width, .height = in.height, .strict = o.strict});
    if (o.strict)  // before any work is done
      for (std::int64_t i = 0; i < folder.size(); ++i) (void)folder.picture(i);
    return folder;
  };
  auto train = read(o.annotations, o.images);
  auto test = read(o.test_annotations, o.test_images);
  std::set<std::filesystem::path> seen;
  for (std::int64_t i = 0; i < train.size(); ++i)
    seen.insert(std::filesystem::weakly_canonical(train.path(i)));
  for (std::int64_t i = 0; i < test.size(); ++i)
    require(!seen.contains(std::filesystem::weakly_canonical(test.path(i))),
            o.test_annotations.string(),
            "should share no image with the training set, got {} in both", test.path(i).string());

  auto configuration = fmt::format(
      "serpette: {}.{}.{}\ncfg: {}\nweights: {}\ntraining annotations: {}\ntest annotations: "
      "{}\nbudget: {}\nseed: {}\ndevice: {}\n",
      SERPETTE_VERSION_MAJOR, SERPETTE_VERSION_MINOR, SERPETTE_VERSION_PATCH,
      fingerprint(read_file(o.cfg)), fingerprint(read_file(o.weights)),
      fingerprint(read_file(o.annotations)), fingerprint(read_file(o.test_annotations)),
      settings_text(o.numbers), o.seed, device.is_cuda() ? "cuda" : "cpu");
  detector.to(device);
  return {std::move(detector), std::move(train), std::move(test),
          std::move(ratios),   device,           std::move(configuration)};
}

/// Small networks keep one core busy each; large ones are faster one at a time on all cores. On a
/// GPU one at a time.
inline int workers_for(const LoadedExperiment& loaded) {
  constexpr std::int64_t kSmall = 500'000'000;
  const bool small = loaded.device.is_cpu() && macs(loaded.detector.graph()) < kSmall;
  return small ? std::max(1, static_cast<int>(std::thread::hardware_concurrency())) : 1;
}

/// Lists the cells that are left, with what they will cost: one robust training step is timed, and
/// a cell is about its steps plus an evaluation that costs about as much as a step per batch; the
/// first cell of a robust pre-training bears it.
template <class E, class Dispatch>
void print_plan(const std::vector<CellId>& plan, const E& experiment, const Store& store,
                bool retry_failed, int workers, const Dispatch& dispatch) {
  if (workers > 1) at::set_num_threads(1);  // as each of them will have
  const Budget& b = experiment.budget;
  std::map<std::string, double> step;
  std::set<std::string> pretrained;
  double total = 0;
  std::int64_t open = 0;
  for (const auto& id : plan) {
    if (CellFiles(store, id).finished()) {
      fmt::print("{}  finished\n", id.folder());
      continue;
    }
    if (CellFiles(store, id).failed() && !retry_failed) {
      fmt::print("{}  failed before; --retry-failed tries it again\n", id.folder());
      continue;
    }
    double seconds = 0;
    dispatch(id.scenario, [&](const auto& scenario) {
      if (!step.contains(id.scenario)) {
        auto detector = experiment.pretrained.clone();
        auto once = b.finetune;
        once.steps = 1;
        Silent silent;
        Loader<CocoFolder> loader(experiment.train, once.batch_size, Seed(0), 1);
        const auto next = [&] { return loader.next(); };
        const auto run = [&] {
          train(detector, next, scenario.attack, scenario.color, once, Seed(0), nullptr,
                experiment.device, silent);
        };
        run();
        const Stopwatch watch;
        run();
        step[id.scenario] = watch.seconds();
      }
      const auto images = b.evaluate.images > 0
                              ? std::min<std::int64_t>(b.evaluate.images, experiment.test.size())
                              : experiment.test.size();
      auto steps = static_cast<double>(b.finetune.steps) +
                   2.0 * static_cast<double>(images) / static_cast<double>(b.finetune.batch_size);
      if constexpr (req::TrainsScores<typename std::decay_t<decltype(scenario)>::score_type>)
        steps += static_cast<double>(b.scores.steps);
      const auto key = stage_keys(scenario, experiment, id).pretraining;
      if (!store.has("pretrain", key) && pretrained.insert(key).second)
        steps += static_cast<double>(b.pretrain.steps);
      seconds = steps * step[id.scenario];
    });
    fmt::print("{}  about {}\n", id.folder(), clock_text(seconds));
    total += seconds;
    ++open;
  }
  constexpr double kFloat = 4;  // the network of every cell is kept
  fmt::print("{} cells left: about {} with {} at once, {:.1f} GB of disk\n", open,
             clock_text(total / workers), workers,
             static_cast<double>(open) * kFloat *
                 static_cast<double>(parameters(experiment.pretrained.graph())) / 1e9);
}

/// What is timed on a CPU: every layer in the form that is fastest at its sparsity.
inline Deployed deploy_plan(const Yolov3& detector) {
  auto plan = std::make_shared<deploy::Plan>(deploy::make_plan(detector));
  return [plan](const at::Tensor& images) { return plan->forward(images); };
}

/// Runs the cells of some scenarios of a registry and writes the tables and the sample grid.
/// @return  exit status: 0, or 1 if a cell failed.
template <class Registry>
int run_scenarios(const Registry& registry, const std::vector<std::string>& ids,
                  const ExperimentOptions& o, const PolicyOptions& policies) {
  const ReusedMemory memory;  // before any thread starts
  auto loaded = load_experiment(o);
  auto configuration = loaded.configuration;
  std::vector<std::string> labels;
  std::set<std::string> seen;
  for (const auto& id : ids)
    with_scenario(registry, id, [&](const auto& entry) {
      const auto settings = settings_text(policies.apply_to(entry.scenario));
      require(seen.insert(settings).second, "--scenarios",
              "should be scenarios that differ, got {} after one of the same settings", id);
      labels.emplace_back(entry.label);
      configuration += fmt::format("scenario {}: {}\n", id, settings);
    });
  const auto part = o.shards == 1 ? std::string("all") : fmt::format("{}-of-{}", o.shard, o.shards);
  const bool fresh = !std::filesystem::exists(o.out / "configuration.txt");
  const Store store(o.out, configuration, o.dry_run ? "plan" : o.collect ? "collect" : part);
  Experiment<Yolov3, CocoFolder, CocoFolder> experiment{
      loaded.detector, loaded.train,  loaded.test,         o.numbers,
      Seed(o.seed),    loaded.device, loaded.configuration};
  if (loaded.device.is_cpu()) experiment.deploy = deploy_plan;
  const auto dispatch = [&](const std::string& id, const auto& visit) {
    with_scenario(registry, id,
                  [&](const auto& entry) { visit(policies.apply_to(entry.scenario)); });
  };
  auto plan = plan_cells(ids, o.runs, loaded.ratios, Seed(o.seed));
  if (!o.collect) plan = shard_of(plan, o.shard, o.shards);
  const int workers = o.workers > 0 ? o.workers : workers_for(loaded);
  if (o.dry_run) {
    print_plan(plan, experiment, store, o.retry_failed, workers, dispatch);
    if (fresh) std::filesystem::remove(o.out / "configuration.txt");  // nothing was begun
    return 0;
  }

  Progress progress(static_cast<std::int64_t>(plan.size()));
  std::int64_t unfinished = 0;
  if (o.collect) {
    for (const auto& id : plan)
      if (const CellFiles files(store, id); !files.finished()) {
        fmt::print(stderr, "missing: {}{}\n", id.folder(),
                   files.failed() ? " (failed: " + files.failure() + ")" : "");
        ++unfinished;
      }
  } else {
    try {
      unfinished = run_cells(plan, experiment, store, o.retry_failed, workers, progress, dispatch);
    } catch (const Interrupted&) {
      progress.clear();
      if (o.shards == 1) write_tables(store, ids, o.runs, loaded.ratios);
      fmt::print(stderr,
                 "stopped; what is done is kept in {}. Run the same command again to go on.\n",
                 o.out.string());
      return 130;
    }
    progress.clear();
  }
  fmt::print("{} of {} cells in {}\n", static_cast<std::int64_t>(plan.size()) - unfinished,
             plan.size(), clock_text(progress.seconds()));
  if (o.shards == 1) {
    write_tables(store, ids, o.runs, loaded.ratios);
    write_grid(store, ids, labels, loaded.ratios);
    fmt::print("tables: {}\n", (o.out / "cells.csv").string());
  }
  for (const auto& [what, data] :
       {std::pair{"training", &loaded.train}, std::pair{"test", &loaded.test}})
    if (const auto n = data->unreadable().size(); n > 0)
      fmt::print(stderr, "{} {} images could not be read and were left out\n", n, what);
  if (unfinished > 0 && !o.collect)
    fmt::print(
        stderr,
        "{} cells failed (cells/*/failed.txt says why); try them again with --retry-failed\n",
        unfinished);
  return unfinished > 0 ? 1 : 0;
}

/// The main function of a scenario's program.
template <class Registry>
int scenario_main(const Registry& registry, const char* id, int argc, char** argv) {
  return run_main([&] {
    std::string label;
    with_scenario(registry, id, [&](const auto& entry) { label = entry.label; });
    CLI::App app(fmt::format(
        "Prunes a robust detector: {}.\nRobust pre-training, scores, mask and robust fine-tuning "
        "for every ratio; writes cells.csv, details.csv, the pruned networks, their detections "
        "and a grid of pictures.",
        label));
    ExperimentOptions options;
    BudgetOverrides overrides;
    PolicyOptions policies;
    add_experiment_options(app, options, false);
    overrides.add_to(app);
    policies.add_to(app);
    parse(app, argc, argv);
    options.numbers = overrides.apply(budget_named(options.budget).budget);
    return run_scenarios(registry, {id}, options, policies);
  });
}

}  // namespace serpette::cli
