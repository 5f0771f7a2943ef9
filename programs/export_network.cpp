// Writes a network in the format of another engine.
//
//   export_network --cfg pruned.cfg --weights pruned.weights --format onnx --out pruned.onnx
//
// The data flows one way: cfg + weights → (batch norm folded, silent filters cut out) → one file.

#include <CLI/CLI.hpp>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "serpette/app/cli.hpp"
#include "serpette/app/network_names.hpp"
#include "serpette/app/policies.hpp"
#include "serpette/app/program.hpp"
#include "serpette/app/ready_plan.hpp"
#include "serpette/app/say_notes.hpp"
#include "serpette/data/coco_categories.hpp"
#include "serpette/deploy/folded_network.hpp"
#include "serpette/detector/yolov3.hpp"
#include "serpette/formats/darknet/weights.hpp"
#include "serpette/formats/onnx/write_onnx.hpp"
#include "serpette/formats/torchscript/write_torchscript.hpp"
#include "serpette/graph/footprint.hpp"
#include "serpette/io/atomic_file.hpp"
#include "serpette/io/class_names.hpp"
#include "support/plan_precision_option.hpp"

namespace serpette::export_network_program {

namespace {

struct Options {
  std::filesystem::path cfg, weights, out, names;
  cli::ColorOption color;
  std::string format, batch_norm;
  bool decode = false;
  cli::PlanPrecisionOption precision;
  onnx::Boxes boxes;
  std::int64_t batch = 0;

  [[nodiscard]] bool folds() const {
    return batch_norm.empty() ? format != "darknet" : batch_norm == "fold";
  }
  /// The other files of the darknet format; the names only where the network's are known.
  [[nodiscard]] std::filesystem::path out_weights() const {
    return beside_network(out, ".weights");
  }
  [[nodiscard]] std::filesystem::path out_names() const { return beside_network(out, ".names"); }

  [[nodiscard]] std::vector<std::string> class_names(const Graph& graph) const {
    return cli::network_names(names, weights, cfg, graph.classes(), cfg.string());
  }
};

template <class Network>
void write(const Options& o, const Network& network, const WeightsHeader& header) {
  if (o.format == "darknet") {
    const auto names = o.class_names(network.graph());  // read before they may be replaced
    save_network(network, o.out, o.out_weights(), header);
    write_class_names(o.out_names(), names);
  } else if (o.format == "onnx") {
    write_file(o.out,
               write_onnx(network, {.batch = o.batch,
                                    .boxes = o.decode ? std::optional(o.boxes) : std::nullopt}));
  } else {
    write_file(o.out, write_torchscript(network));
  }
  const auto& graph = network.graph();
  fmt::print("{}: {} of {} convolutions, {:.2f} M parameters\n", o.out.string(), o.format,
             graph.convolutions().size(), static_cast<double>(parameters(graph)) / 1e6);
}

/// What a plan's user needs to know besides the network.
deploy::PlanLabels labels(const Options& o, const Graph& graph) {
  deploy::PlanLabels found{.class_names = o.class_names(graph),
                           .greyscale = o.color.name == "greyscale"};
  const auto& coco = coco_categories();
  if (found.class_names.empty() && graph.classes() == static_cast<int>(coco.size()))
    for (const auto& category : coco) found.class_names.push_back(category.name);
  return found;
}

void run(const Options& o) {
  require(!partial_cutoff(o.weights), o.weights.string(),
          "should be the weights of a whole network, got a name of a part of them (.conv.N)");
  require(o.format == "onnx" || !o.decode, "--decode",
          "should come with --format onnx, the only one with standard operators for it; got {}",
          o.format);
  require(o.format == "plan" || o.format == "darknet" || o.names.empty(), "--names",
          "should come with --format plan or darknet, the ones that hold them; got {}", o.format);
  require(o.format == "plan" || o.color.name == "rgb", "--color",
          "should come with --format plan, the only one that holds it; got {}", o.format);
  require(o.format == "plan" || !o.precision.is_given(), "--precision",
          "should come with --format plan, the only one that is made for a machine; got {}",
          o.format);
  require(o.format == "onnx" || o.batch == 0, "--batch",
          "should come with --format onnx, since the others take any; got {}", o.format);
  require_no_input(o.out, {o.cfg, o.weights, o.names});
  if (o.format == "darknet") {
    require(o.out.extension() != ".weights" && o.out.extension() != ".names", "--out",
            "should name the cfg that is written, the weights and names go beside it; got {}",
            o.out.string());
    for (const auto& output : {o.out_weights(), o.out_names()}) {
      require_no_input(output, {o.cfg, o.weights, o.names});
      require_writable(output);
    }
  }
  require(o.format != "plan" || o.folds(), "--batch-norm",
          "should be fold with --format plan, which has no batch norm; got keep");
  o.precision.check();
  cli::ReadyPlan::require_precision(o.precision.chosen(), "--precision");
  require_writable(o.out);
  const auto detector = Yolov3::load(o.cfg, o.weights);
  cli::say_notes(detector, o.cfg, o.weights);
  if (o.format == "plan") {
    const auto known = labels(o, detector.graph());
    const auto plan = cli::ReadyPlan::make(detector, known, o.precision.chosen(),
                                           o.precision.ranges(detector, known.greyscale));
    plan.save(o.out);
    fmt::print("{}: plan of {} convolutions ({}) for {}\n", o.out.string(), plan.choices().size(),
               cli::forms_text(plan.choices()), cli::ReadyPlan::cpu());
  } else if (o.folds()) {
    write(o, deploy::FoldedNetwork(detector), detector.header());
  } else {
    write(o, detector, detector.header());
  }
}

}  // namespace

int main(int argc, char** argv) {
  return cli::run_main([&] {
    Options o;
    CLI::App app(
        "Writes a network in the format of another engine. All formats take images [N, C, H, W] in "
        "[0, 1],\n"
        "letterboxed, and give the raw logits of the heads in the order of the cfg. onnx and "
        "torchscript carry\n"
        "the cfg with them; plan is made for this kind of CPU, and is what detect --plan starts "
        "from; darknet is\n"
        "a cfg and, beside it, its .weights and where they are known its .names.");
    app.add_option("--cfg", o.cfg, "Network in darknet's format")->required();
    app.add_option("--weights", o.weights, "Its weights in darknet's format")->required();
    app.add_option("--format", o.format, "Of what is written")
        ->check(cli::one_of({"onnx", "torchscript", "plan", "darknet"}))
        ->required();
    app.add_option("--out", o.out, "The file to write")->required();
    app.add_option("--batch-norm", o.batch_norm,
                   "fold it into the weights and cut out filters that are silent, or keep the "
                   "network as it is,\nas training on needs. Without: keep for darknet, else fold")
        ->check(cli::one_of({"fold", "keep"}));
    app.add_option("--batch", o.batch,
                   "onnx: images at a time, for engines that want it fixed; 0: any number")
        ->check(cli::kCount)
        ->capture_default_str();
    cli::under(app, "What the user need not say (plan; names: darknet, too)", [&] {
      app.add_option("--names", o.names,
                     "The network's class names, one a line. Without: the .names file beside the "
                     "weights or the cfg, or\nCOCO's names for 80 classes");
      o.color.add_to(app);
    });
    cli::under(app, "How the plan computes (plan)", [&] { o.precision.add_to(app); });
    cli::under(app, "Boxes in the model (onnx)", [&] {
      auto* const decode =
          app.add_flag("--decode", o.decode,
                       "End in boxes after class-wise suppression: boxes [K, 4] (x1, y1, x2, y2 in "
                       "pixels of the\ncanvas), scores, classes and image [K]");
      app.add_option("--confidence", o.boxes.confidence,
                     "A box counts where objectness × class probability exceeds it")
          ->check(cli::kFraction)
          ->capture_default_str()
          ->needs(decode);
      app.add_option("--nms", o.boxes.nms, "IoU above which the worse of two boxes is dropped")
          ->check(cli::kFraction)
          ->capture_default_str()
          ->needs(decode);
      app.add_option("--limit", o.boxes.limit, "Most boxes of one class and image")
          ->check(cli::kSome)
          ->capture_default_str()
          ->needs(decode);
    });
    app.footer(
        "Example:\n  export_network --cfg pruned.cfg --weights pruned.weights --format onnx --out "
        "pruned.onnx --decode");
    cli::parse(app, argc, argv);
    run(o);
  });
}

}  // namespace serpette::export_network_program
