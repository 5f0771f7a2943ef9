// From a detector and its data to a pruned, robust one that ships, in one command.
//
//   prune --cfg F --weights F --images D --annotations F --test-images D --test-annotations F
//         --scenario structured_deeplift --ratio 75 --out pruned
//
// Instead of a ratio: what it is to reach, --keep 0.9, --max-ms 20 or --max-parameters 2000000.
//
// The data flows one way: the ratio, given or searched → a study of two cells, the network as it
// came and the pruned one (OUT/study, where a stopped run goes on, and where --keep and
// --max-parameters train what they try) → network.cfg, .weights → the table of before and after →
// report.html, network.onnx and .plan.

#include <ATen/Parallel.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "serpette/app/cli.hpp"
#include "serpette/app/experiment_options.hpp"
#include "serpette/app/program.hpp"
#include "serpette/app/ready_plan.hpp"
#include "serpette/app/run_scenarios.hpp"
#include "serpette/attack/no_attack.hpp"
#include "serpette/color/greyscale_rec601.hpp"
#include "serpette/core/quantile.hpp"
#include "serpette/core/ratio.hpp"
#include "serpette/deploy/folded_network.hpp"
#include "serpette/deploy/plan_precision.hpp"
#include "serpette/detector/yolov3.hpp"
#include "serpette/formats/onnx/write_onnx.hpp"
#include "serpette/io/atomic_file.hpp"
#include "serpette/io/class_names.hpp"
#include "serpette/io/load_annotations.hpp"
#include "serpette/method/state.hpp"
#include "serpette/metric/stopwatch.hpp"
#include "serpette/scenario/catalogue.hpp"
#include "serpette/study/cells.hpp"
#include "serpette_report/before_after.hpp"
#include "serpette_report/samples.hpp"
#include "serpette_report/text_table.hpp"
#include "support/calibrate.hpp"
#include "support/ratio_target.hpp"
#include "support/shipped_scenarios.hpp"

namespace serpette::prune_program {

namespace {

struct Options {
  cli::ExperimentOptions experiment;
  std::filesystem::path out;
  std::string scenario;
  cli::RatioTarget target;
  deploy::PlanPrecision plan_precision = deploy::PlanPrecision::kFloat32;
};

/// One of the two networks: what was measured, and what it takes on disk.
struct Network {
  CellRow paper, standard;  ///< At the two profiles.
  std::uintmax_t bytes = 0;
  std::int64_t weights = 0;  ///< Other than 0.
};

/// Weights other than 0 of the convolution at a graph index.
std::int64_t weights_left(const Yolov3& detector, int index) {
  return detector.layer(index).weight.count_nonzero().item<std::int64_t>();
}

/// What a study measured of a network.
CellRow measured(const std::vector<CellRow>& rows, std::string_view scenario,
                 const std::string& ratio, std::string_view profile) {
  for (const auto& row : rows)
    if (row.scenario == scenario && row.ratio == ratio && row.profile == profile) return row;
  return {};
}

Network network(const std::vector<CellRow>& rows, std::string_view scenario,
                const std::string& ratio, const std::filesystem::path& weights,
                const Yolov3& detector) {
  Network found{.paper = measured(rows, scenario, ratio, "paper"),
                .standard = measured(rows, scenario, ratio, "standard"),
                .bytes = std::filesystem::file_size(weights)};
  for (const int i : detector.graph().convolutions()) found.weights += weights_left(detector, i);
  return found;
}

/// A quantity of the table: how it is called, printed and had.
struct Quantity {
  std::string_view name;
  int decimals;
  bool more_is_better;
  double (*of)(const Network&);
};

constexpr std::array kQuantities{
    Quantity{"AP50", 3, true, [](const Network& n) { return n.standard.ap50; }},
    Quantity{"AP", 3, true, [](const Network& n) { return n.standard.ap; }},
    Quantity{"robust AP50", 3, true, [](const Network& n) { return n.standard.robust_ap50; }},
    Quantity{"robust AP", 3, true, [](const Network& n) { return n.standard.robust_ap; }},
    Quantity{"AP50 at confidence 0.5", 3, true, [](const Network& n) { return n.paper.ap50; }},
    Quantity{"ms, reading the image", 2, false, [](const Network& n) { return n.paper.ms_input; }},
    Quantity{"ms, network", 2, false, [](const Network& n) { return n.paper.ms_network; }},
    Quantity{"ms, boxes (confidence 0.5)", 2, false,
             [](const Network& n) { return n.paper.ms_post; }},
    Quantity{"ms, all", 2, false, [](const Network& n) { return n.paper.ms_total; }},
    Quantity{"parameters", 0, false,
             [](const Network& n) { return double(n.standard.parameters); }},
    Quantity{"weights other than 0", 0, false, [](const Network& n) { return double(n.weights); }},
    Quantity{"multiply-adds", 0, false, [](const Network& n) { return double(n.standard.macs); }},
    Quantity{"bytes of weights", 0, false, [](const Network& n) { return double(n.bytes); }}};

std::vector<BeforeAfter> numbers(const Network& before, const Network& after) {
  std::vector<BeforeAfter> all;
  for (const auto& q : kQuantities)
    all.push_back({std::string(q.name), q.of(before), q.of(after), q.decimals, q.more_is_better});
  return all;
}

/// Weights other than 0 of every convolution, and how the plan runs it. None where whole residual
/// blocks are gone: layers are called by their place, which is another one then.
std::vector<LayerBeforeAfter> layers(const Yolov3& before, const Yolov3& after,
                                     const cli::ReadyPlan& plan) {
  std::vector<LayerBeforeAfter> all;
  if (before.graph().size() != after.graph().size()) return all;
  std::map<std::string, std::string> forms;
  for (const auto& choice : plan.choices()) forms[choice.layer] = choice.form;
  for (const int i : before.graph().convolutions()) {
    const auto& name = before.graph()[i].name;
    all.push_back({name, weights_left(before, i), weights_left(after, i), forms[name]});
  }
  return all;
}

void write_summary(const Options& o, Ratio ratio, const Network& before, const Network& after,
                   const cli::ReadyPlan& plan) {
  nlohmann::ordered_json json{
      {"scenario", o.scenario},          {"ratio_percent", ratio.percents()},
      {"seed", o.experiment.seed},       {"budget", o.experiment.budget.name},
      {"attack", after.standard.attack}, {"color", after.standard.color},
      {"cpu", cli::ReadyPlan::cpu()},    {"forms", cli::forms_text(plan.choices())}};
  for (const auto& [name, network] : {std::pair{"before", &before}, {"after", &after}})
    for (const auto& q : kQuantities) json[name][std::string(q.name)] = q.of(*network);
  for (const auto& probe : o.target.probes())
    json["probes"].push_back({{"ratio_percent", probe.ratio.percents()},
                              {"value", probe.value},
                              {"meets", probe.meets}});
  write_file(o.out / "summary.json", json.dump(1) + "\n");
}

/// What both networks found on some test pictures. Pictures are no result: what keeps them from
/// the page is said, and no more.
Samples samples(const cli::ExperimentOptions& study, const std::vector<SampleKey>& cells) {
  try {
    return read_samples(cells, {.cells = study.out / "cells",
                                .images = study.test_images,
                                .annotations = study.test_annotations,
                                .pictures = 4});
  } catch (const Error& e) {
    fmt::print(stderr, "note: no pictures on the page: {}\n", e.what());
    return {};
  }
}

/// report.html.
void write_page(const Options& o, Ratio ratio, const Network& before, const Network& after,
                std::vector<LayerBeforeAfter> layers, const cli::ReadyPlan& plan) {
  const auto& row = after.standard;
  const auto label = scenario_label(o.scenario);
  const bool is_attacked = row.attack != NoAttack::name;
  const auto part = [](double of, double whole) {
    return whole > 0 ? fmt::format("{:.0f} %", 100 * of / whole) : std::string("–");
  };
  BeforeAfterPage page{
      .title = fmt::format("{}, {} % pruned", label, ratio.str()),
      .introduction = fmt::format(
          "AP50 {:.3f}, before {:.3f}{}; the network takes {:.2f} ms an image on this CPU, before "
          "{:.2f}; {} of the weights are left. Before is the network as it came.",
          row.ap50, before.standard.ap50,
          is_attacked ? fmt::format("; under {} {:.3f}, before {:.3f}", row.attack, row.robust_ap50,
                                    before.standard.robust_ap50)
                      : std::string(),
          after.paper.ms_network, before.paper.ms_network,
          part(double(after.weights), double(before.weights))),
      .numbers = numbers(before, after),
      .layers = std::move(layers),
      .before = {std::string(kOriginal), "0", 1},
      .after = {o.scenario, ratio.str(), 1},
      .greyscale = row.color == GreyscaleRec601::name,
      .attack = is_attacked ? row.attack : std::string(),
      .tried = {.name = "tried", .title = "", .header = {"Ratio", "Measured", ""}, .rows = {}},
      .facts = {{"Scenario", fmt::format("{} ({})", o.scenario, label)},
                {"Ratio", ratio.str() + " %"},
                {"Seed", fmt::to_string(o.experiment.seed)},
                {"Budget", o.experiment.budget.name},
                {"Score, granularity", fmt::format("{}, {}", row.score_init, row.granularity)},
                {"Attack", row.attack},
                {"Colours", row.color},
                {"CPU", cli::ReadyPlan::cpu()},
                {"Plan", cli::forms_text(plan.choices())},
                {"Beside this page",
                 "network.cfg and .weights (darknet), network.onnx, network.plan, summary.json, "
                 "before_and_after.csv and .md; study/ has what was trained and measured"}}};
  for (const auto& probe : o.target.probes())
    page.tried.rows.push_back({probe.ratio.str() + " %", fmt::format("{:.6g}", probe.value),
                               probe.meets ? "meets it" : "does not"});
  const auto shown = samples(o.experiment, {page.before, page.after});
  page.samples = &shown;
  write_file(o.out / "report.html", before_after_html(page));
}

/// Scores by which as many weights go in every layer as by the scenario's own.
ScoreMap magnitudes(const Yolov3& detector) {
  ScoreMap scores;
  for (const int index : detector.graph().convolutions())
    scores.push_back(detector.layer(index).weight.detach().abs());
  return scores;
}

/// Median milliseconds that the network takes in the form it would run in, pruned but not trained:
/// what is gone counts, not what is left.
double milliseconds(const Yolov3& detector, const ErasedPruning& pruning, Ratio ratio,
                    const EvaluateSettings& settings) {
  const auto mask = pruning.mask(detector.graph(), magnitudes(detector), ratio);
  auto pruned = detector.clone();
  apply_mask(mask, pruned);
  if (pruning.removes_filters) pruned = pruned.compact(mask);
  const auto plan = cli::ReadyPlan::make(pruned);
  const auto& in = plan.graph().input;
  const auto image = at::rand({1, in.channels, in.height, in.width});
  std::vector<double> each;
  for (std::int64_t i = 0; i < settings.timing_warmup + settings.timing_images; ++i) {
    const Stopwatch watch;
    (void)plan.forward(image);
    if (i >= settings.timing_warmup) each.push_back(1e3 * watch.seconds());
  }
  return median(std::move(each));
}

/// Runs cells of the study; a failure ends the program.
void run_cells_of(const std::vector<std::string>& ids, const std::set<Ratio>& ratios,
                  cli::ExperimentOptions& study) {
  study.ratios.clear();
  for (const Ratio ratio : ratios) study.ratios.push_back(ratio.str());
  if (const int status = cli::run_scenarios(cli::shipped_scenarios(), ids, study); status != 0)
    throw cli::Exit{status};
}

/// The ratio that was given, or the one that reaches what is wanted.
/// @param tried  the ratios whose networks the study has when this returns.
Ratio ratio_of(Options& o, std::set<Ratio>& tried) {
  auto& target = o.target;
  auto& study = o.experiment;
  if (const auto given = target.ratio()) return *given;
  const auto trained = [&](Ratio ratio) {
    tried.insert(ratio);
    run_cells_of({o.scenario}, {ratio}, study);
    const auto rows = read_cells(study.out / "cells.csv");
    return measured(rows, o.scenario, ratio.str(), "standard");
  };
  if (target.keeps())
    return target.search_keeping([&](Ratio ratio) {
      const auto found = trained(ratio);
      return target.clean() ? found.ap50 : found.robust_ap50;
    });
  const auto detector = Yolov3::load(study.cfg, study.weights);
  const auto scenario =
      study.policies.apply_to(find_scenario(cli::shipped_scenarios(), o.scenario).scenario);
  if (target.max_parameters()) {
    require(scenario.pruning.removes_filters, "--max-parameters",
            "should come with a scenario that cuts filters out of the network, structured_…; {} "
            "leaves all {} parameters in their places, where --max-ms can be asked for",
            o.scenario, parameters(detector.graph()));
    return target.search_parameters(
        detector.graph(),
        [&](Ratio ratio) {
          return scenario.pruning.mask(detector.graph(), magnitudes(detector), ratio);
        },
        [&](Ratio ratio) { return static_cast<double>(trained(ratio).parameters); });
  }
  const auto device = cli::parse_device(study.device);
  require(device.is_cpu(), "--max-ms",
          "should be asked of the CPU, whose plans are timed (--device cpu), got {}", device.str());
  at::set_num_threads(cli::threads_of_cell(detector.graph(), device, study.workers));
  const auto timing = study.budget.chosen().evaluate;
  return target.search_milliseconds(
      [&](Ratio ratio) { return milliseconds(detector, scenario.pruning, ratio, timing); });
}

/// Says where the finished network misses what the search found it to meet: times are noisy.
void note_missed(const cli::RatioTarget& target, const Network& after) {
  if (const auto most = target.max_ms(); most && after.paper.ms_network > *most)
    fmt::print(stderr, "note: the trained network takes {:.3f} ms, above --max-ms {:g}\n",
               after.paper.ms_network, *most);
}

/// What is written besides the study.
constexpr std::array kOutputs{"network.cfg",          "network.weights",     "network.names",
                              "network.onnx",         "network.plan",        "summary.json",
                              "before_and_after.csv", "before_and_after.md", "report.html"};

int run(Options& o) {
  auto& study = o.experiment;
  o.target.check();
  cli::ReadyPlan::require_precision(o.plan_precision, "--plan-precision");
  require_no_input(o.out, {study.images, study.test_images});
  for (const char* output : kOutputs)
    require_no_input(o.out / output,
                     {study.cfg, study.weights, study.annotations, study.test_annotations});
  cli::check_options(cli::shipped_scenarios(), {o.scenario}, study);
  if (std::filesystem::is_directory(o.out))  // what is in the way is seen before the training
    for (const char* output : kOutputs) require_writable(o.out / output);
  study.out = o.out / "study";
  const std::string original(kOriginal);
  std::set<Ratio> tried;
  const auto ratio = ratio_of(o, tried);
  tried.insert(ratio);
  run_cells_of({original, o.scenario}, tried, study);

  const auto files = [&](const std::string& id, const std::string& of) {
    const auto folder = study.out / "cells" / cell_folder(id, 1, of);
    return std::pair{folder / "network.cfg", folder / "network.weights"};
  };
  const auto [cfg, weights] = files(o.scenario, ratio.str());
  const auto detector = Yolov3::load(cfg, weights);
  detector.save(o.out / "network.cfg", o.out / "network.weights");
  const auto known = names_of_network(weights, cfg);
  const auto names = known.empty() ? std::vector<std::string>() : load_class_names(known);
  write_class_names(o.out / "network.names", names);
  const auto rows = read_cells(study.out / "cells.csv");
  const auto untouched = Yolov3::load(study.cfg, study.weights);
  const auto before = network(rows, original, "0", study.weights, untouched),
             after = network(rows, o.scenario, ratio.str(), o.out / "network.weights", detector);
  // What was measured comes before what may be refused: by the file system, or a plan's limits.
  const auto table = before_after_table(numbers(before, after));
  write_file(o.out / "before_and_after.md", to_markdown(table));
  write_file(o.out / "before_and_after.csv", to_csv(table));
  for (const auto& row : table.rows)
    fmt::print("{:<28}{:>16}{:>16}{:>10}\n", row[0], row[1], row[2], row[3]);
  note_missed(o.target, after);
  const bool greyscale = after.standard.color == GreyscaleRec601::name;
  std::optional<deploy::Ranges> ranges;
  if (o.plan_precision == deploy::PlanPrecision::kInt8)
    ranges = cli::calibrate(detector, load_annotations(study.annotations, {.images = study.images}),
                            study.images, greyscale);
  const auto plan = cli::ReadyPlan::make(detector, {.class_names = names, .greyscale = greyscale},
                                         o.plan_precision, ranges);
  write_summary(o, ratio, before, after, plan);
  write_page(o, ratio, before, after, layers(untouched, detector, plan), plan);
  write_file(o.out / "network.onnx", write_onnx(deploy::FoldedNetwork(detector)));
  plan.save(o.out / "network.plan");
  fmt::print("network.cfg, .weights, .onnx and .plan ({}) in {}\n{}\n",
             cli::forms_text(plan.choices()), o.out.string(), (o.out / "report.html").string());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return cli::run_main([&] {
    Options o;
    auto& e = o.experiment;
    e.policies.offer_scenarios(cli::shipped_scenarios());
    CLI::App app(
        "Prunes a detector and makes it ready to ship: robust pre-training, scores, mask and "
        "robust "
        "fine-tuning,\n"
        "then network.cfg, .weights, .onnx and .plan, summary.json, a table of before and after "
        "and "
        "a page\n"
        "with pictures (report.html) in OUT.\n"
        "What training makes is kept in OUT/study: a stopped run goes on there.");
    app.add_option("--cfg", e.cfg, "Network in darknet's format")->required();
    app.add_option("--weights", e.weights, "Its pre-trained weights (darknet)")->required();
    app.add_option("--images", e.images, "Folder of the training images")->required();
    app.add_option("--annotations", e.annotations,
                   fmt::format("Their boxes: {}", cli::kAnnotationsHelp))
        ->required();
    app.add_option("--test-images", e.test_images, "Folder of the test images")->required();
    app.add_option("--test-annotations", e.test_annotations, "Their boxes, in any of these forms")
        ->required();
    app.add_option("--scenario", o.scenario, "What is pruned and how, by its program's name")
        ->required();
    cli::under(app, "How much goes (one of --ratio, --keep, --max-ms, --max-parameters)",
               [&] { o.target.add_to(app); });
    app.add_option("--out", o.out, "Folder for the results")->required();
    cli::add_choice(
        app, "--plan-precision", o.plan_precision,
        "Of products in the dense layers of network.plan; int8 is calibrated on training images. "
        "The table before and\nafter is measured in f32");
    app.add_option("--seed", e.seed, "Root of all randomness; equal seeds give equal results")
        ->check(cli::kSeed)
        ->capture_default_str();
    app.add_option("--device", e.device, std::string(cli::kDeviceHelp))->capture_default_str();
    app.add_flag("--strict", e.strict, "Refuse the data if an image is damaged");
    app.add_flag("--retry-failed", e.retry_failed, "Try again what failed before");
    cli::add_force(app, e.force);
    cli::under(app, "Budget", [&] { e.budget.add_to(app); });
    cli::under(app, "Views of training images", [&] { e.augmentation.add_to(app); });
    cli::under(app, "Settings of the policies", [&] { e.policies.add_to(app); });
    cli::parse(app, argc, argv);
    return run(o);
  });
}

}  // namespace serpette::prune_program
