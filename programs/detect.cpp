// Detects objects in pictures, clean or under attack, and evaluates them where ground truth is
// given.
//
//   detect --cfg yolov3-tiny.cfg --weights yolov3-tiny.weights --images photos --out found
//   [--annotations instances.json]
//
// The data flows one way: pictures → letterboxed network input → (colour mode, attack) → heads →
// boxes → files.

#include <ATen/Parallel.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <numeric>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "serpette/app/cli.hpp"
#include "serpette/app/device.hpp"
#include "serpette/app/load_data.hpp"
#include "serpette/app/network_names.hpp"
#include "serpette/app/policies.hpp"
#include "serpette/app/program.hpp"
#include "serpette/app/ready_plan.hpp"
#include "serpette/app/say_notes.hpp"
#include "serpette/app/used_folder.hpp"
#include "serpette/core/counted.hpp"
#include "serpette/data/coco_categories.hpp"
#include "serpette/data/coco_folder.hpp"
#include "serpette/data/image_list.hpp"
#include "serpette/data/match_categories.hpp"
#include "serpette/detector/decode.hpp"
#include "serpette/detector/yolov3.hpp"
#include "serpette/formats/darknet/weights.hpp"
#include "serpette/io/atomic_file.hpp"
#include "serpette/io/class_names.hpp"
#include "serpette/io/csv.hpp"
#include "serpette/io/detections.hpp"
#include "serpette/io/draw.hpp"
#include "serpette/io/file_fingerprint.hpp"
#include "serpette/io/load_annotations.hpp"
#include "serpette/method/evaluate.hpp"
#include "serpette/method/experiment.hpp"
#include "serpette/metric/coco_evaluation.hpp"
#include "serpette/metric/coco_report.hpp"
#include "serpette/study/progress.hpp"
#include "serpette/study/store.hpp"
#include "support/png_name.hpp"

namespace serpette::detect_program {

namespace {

struct Options {
  std::filesystem::path cfg, weights, plan, images, out, annotations, names;
  std::string profile = "standard", device = "auto";
  cli::PolicyNames policies;
  std::int64_t draw = 0, batch_size = 8;
  std::uint64_t seed = 1;
  bool strict = false, force = false;

  std::optional<double> least;

  /// What the network comes from, for messages.
  [[nodiscard]] std::string network() const { return plan.empty() ? cfg.string() : plan.string(); }

  [[nodiscard]] double confidence() const {
    if (least) return *least;
    return profile == "paper" ? kPaperConfidence : kStandardConfidence;
  }
};

/// Categories of pictures without annotations: COCO's own ids where the names are COCO's, else
/// numbered from 1.
std::vector<CocoCategory> categories(const std::vector<std::string>& names, const Graph& graph) {
  const auto& coco = coco_categories();
  if (names.empty() && graph.classes() == static_cast<int>(coco.size())) return coco;
  std::vector<CocoCategory> found;
  for (int c = 0; c < graph.classes(); ++c)
    found.push_back(
        {c + 1, names.empty() ? numbered_class(c) : names[static_cast<std::size_t>(c)]});
  const auto id_of = [&](const CocoCategory& own) {
    return std::ranges::find_if(
        coco, [&](const CocoCategory& c) { return same_class(c.name, own.name); });
  };
  if (std::ranges::all_of(found, [&](const auto& own) { return id_of(own) != coco.end(); }))
    for (auto& own : found) own.id = id_of(own)->id;
  return found;
}

/// The pictures to look at, with ground truth if there is any.
Instances pictures(const Options& o, const Graph& graph, const std::vector<std::string>& names) {
  if (o.annotations.empty()) {
    auto found = list_images(o.images);
    if (const auto unread = unread_pictures_text(o.images); !unread.empty())
      fmt::print(stderr, "note: {}: passes over {}\n", o.images.string(), unread);
    found.categories = categories(names, graph);
    return found;
  }
  auto found =
      cli::load_matched(o.annotations, folder_of(o.images), graph.classes(), names, o.network());
  if (std::filesystem::is_directory(o.images)) return found;
  const auto name = o.images.filename().string();
  std::erase_if(found.images, [&](const CocoImage& image) { return image.file_name != name; });
  require(!found.images.empty(), o.annotations.string(),
          "should list the image {}, got none of that name", name);
  std::erase_if(found.annotations,
                [&](const CocoAnnotation& a) { return a.image_id != found.images.front().id; });
  return found;
}

/// Pictures with the boxes that people would want to see, the first `o.draw` of them.
void draw(const Options& o, const CocoFolder& data, const std::vector<Detection>& detections) {
  constexpr double kWorthSeeing = 0.25;
  std::set<std::string> drawn;
  for (std::int64_t i = 0; i < std::min(o.draw, data.size()); ++i) {
    const auto picture = data.picture(i);
    if (!picture) continue;
    const auto id = data.instances().images[static_cast<std::size_t>(i)].id;
    std::vector<Detection> mine;
    for (const auto& d : detections)
      if (d.image_id == id && d.score > std::max(kWorthSeeing, o.confidence())) mine.push_back(d);
    Image image = *picture;
    draw_detections(image, mine, data.instances().categories);
    write_png(o.out / "drawn" / cli::png_name(data.path(i), id, drawn), image);
  }
}

/// Which picture an image_id of the detections is, where no annotations say it.
void write_image_list(const std::filesystem::path& path, const std::vector<CocoImage>& images) {
  CsvWriter csv;
  csv.row("image_id", "file_name");
  for (const auto& image : images) csv.row(image.id, image.file_name);
  write_file(path, csv.text());
}

/// Images [N, 3, H, W] as they are seen → detections of each.
using Detect = std::function<std::vector<std::vector<Detection>>(const ImageBatch&)>;

/// Looks at all pictures and writes what is found.
/// @param names     of the network's classes; empty: unknown.
/// @param identity  lines of the configuration that name the network: the same names, wherever it
///                  comes from, since only lines that both have are compared.
/// @param prepare   makes the colours and the attack of a batch, in place.
void run(const Options& o, const Graph& graph, const std::vector<std::string>& names,
         at::Device device, const std::vector<ConfigurationLine>& identity,
         const std::function<void(ImageBatch&)>& prepare, const Detect& detect) {
  const auto& in = graph.input;
  const CocoFolder data(
      pictures(o, graph, names), folder_of(o.images),
      {.width = in.width, .height = in.height, .strict = o.strict, .cache_bytes = 0});
  cli::require_no_input_in(o.out,
                           {"detections.csv", "detections.json", "summary.json", "images.csv",
                            "configuration.txt", "drawn"},
                           {o.cfg, o.weights, o.plan, o.annotations, o.names, folder_of(o.images)});
  // Refuses a folder with the results of other inputs or settings.
  auto lines = identity;
  for (const auto& line : std::initializer_list<ConfigurationLine>{
           {"images", std::filesystem::weakly_canonical(o.images).string()},
           {"annotations",
            o.annotations.empty()
                ? "none"
                : fingerprint(annotations_text(o.annotations, {.images = folder_of(o.images)}))},
           {"names",
            names.empty() ? "none" : fingerprint(fmt::format("{}", fmt::join(names, "\n")))},
           {"profile", o.least ? fmt::to_string(*o.least) : o.profile},
           {"color", o.policies.color.name},
           {"attack", o.policies.attack.chosen().settings},
           {"batch-size", o.policies.attack.name == "none"  // whose randomness is one
                              ? "any"
                              : fmt::to_string(o.batch_size)},
           {"seed", fmt::to_string(o.seed)}})
    lines.push_back(line);
  require_no_input(o.out, {o.images});
  const Store store = cli::open_results(o.out, o.force, "detect", std::move(lines));
  std::vector<Detection> detections;
  double seconds = 0;
  {
    const torch::NoGradGuard no_grad;
    Progress progress;
    notify::stage(progress, "images", data.size());
    for (std::int64_t begin = 0; begin < data.size(); begin += o.batch_size) {
      std::vector<std::int64_t> indices(
          static_cast<std::size_t>(std::min(o.batch_size, data.size() - begin)));
      std::iota(indices.begin(), indices.end(), begin);
      auto batch = data.batch(indices).to(device);
      if (batch.size() > 0) {
        prepare(batch);
        for (const auto& found : detect(batch))
          detections.insert(detections.end(), found.begin(), found.end());
      }
      notify::step(progress, begin + std::ssize(indices), std::nan(""));
    }
    progress.clear();
    seconds = progress.seconds();
  }

  auto truth = data.instances();
  const auto unreadable = data.unreadable();
  std::erase_if(truth.images, [&](const CocoImage& i) { return unreadable.contains(i.id); });
  std::erase_if(truth.annotations,
                [&](const CocoAnnotation& a) { return unreadable.contains(a.image_id); });
  require(!truth.images.empty(), o.images.string(),
          "should hold at least one image, got {} damaged ones", unreadable.size());
  store.begin();
  write_detections_csv(o.out / "detections.csv", detections, truth);
  write_detections_json(o.out / "detections.json", detections, truth);
  if (o.annotations.empty()) write_image_list(o.out / "images.csv", truth.images);
  draw(o, data, detections);
  fmt::print("{} in {}{}, {:.1f} a second; files in {}\n", counted(detections.size(), "detection"),
             counted(truth.images.size(), "image"),
             unreadable.empty()
                 ? ""
                 : fmt::format(", {} left out", counted(unreadable.size(), "damaged image")),
             static_cast<double>(data.size()) / std::max(seconds, 1e-9), o.out.string());
  if (o.annotations.empty()) return;
  const auto summary = evaluate(truth, detections, at::get_num_threads());
  write_file(o.out / "summary.json", summary_json(summary));
  fmt::print("{}", summary_text(summary));
}

/// The network as it runs fastest: on the CPU as a plan.
Deployed fastest(const Yolov3& detector, at::Device device) {
  if (!device.is_cpu()) return deploy_frozen(detector);
  return [plan = cli::ReadyPlan::by_model(detector)](const at::Tensor& images) {
    return plan.forward(images);
  };
}

/// With the network of cfg and weights, on any device, under any attack.
void run_network(const Options& o, const ErasedAttack& attack, const ErasedColorMode& color) {
  const auto device = cli::parse_device(o.device);
  require(!partial_cutoff(o.weights), o.weights.string(),
          "should be the weights of a whole network, got a name of a part of them (.conv.N), which "
          "only training starts from");
  auto detector = Yolov3::load(o.cfg, o.weights);
  detector.to(device);
  cli::say_notes(detector, o.cfg, o.weights);
  Generator rng(Seed(o.seed).derive("attack"));
  run(
      o, detector.graph(),
      cli::network_names(o.names, o.weights, o.cfg, detector.graph().classes(), o.network()),
      device,
      {{"cfg", file_fingerprint(o.cfg)},
       {"weights", file_fingerprint(o.weights)},
       {"plan", "none"}},
      [&](ImageBatch& batch) {
        batch.images = attacked_images(detector, batch, attack, color, rng);
      },
      [&, network = fastest(detector, device)](const ImageBatch& batch) {
        return detector.detections(network(batch.images), batch, o.confidence());
      });
}

/// With a plan file, on the CPU: it knows its class names and its colours.
void run_plan(Options o, bool color_is_given) {
  require(o.policies.attack.name == "none", "--attack",
          "should come with --cfg and --weights, since a plan has no gradients; got {}",
          o.policies.attack.name);
  require(cli::parse_device(o.device == "auto" ? "cpu" : o.device).is_cpu(), "--device",
          "should be auto or cpu with --plan, got {}", o.device);
  const auto plan = cli::ReadyPlan::load(o.plan);
  if (plan.labels().greyscale) {
    require(!color_is_given || o.policies.color.name == "greyscale", "--color",
            "should be greyscale or left out, as {} was made for grey pictures; got {}",
            o.plan.string(), o.policies.color.name);
    o.policies.color.name = "greyscale";
  }
  const auto color = o.policies.color.chosen();
  const bool knows_names = o.names.empty() && !plan.labels().class_names.empty();
  run(
      o, plan.graph(),
      knows_names ? plan.labels().class_names
                  : cli::network_names(o.names, o.plan, {}, plan.graph().classes(), o.network()),
      at::kCPU, {{"cfg", "none"}, {"weights", "none"}, {"plan", file_fingerprint(o.plan)}},
      [&](ImageBatch& batch) {
        batch.images = color.expand(color.encode(batch.images)).contiguous();
      },
      [&](const ImageBatch& batch) {
        return decode(plan.graph(), plan.forward(batch.images), batch,
                      {.confidence = o.confidence()});
      });
}

}  // namespace

int main(int argc, char** argv) {
  return cli::run_main([&] {
    Options o;
    CLI::App app(
        "Detects objects in pictures. Writes detections.csv and detections.json (COCO results), "
        "boxes in pixels of\n"
        "the original image. With --annotations also summary.json, COCO's 12 numbers; without "
        "them\n"
        "images.csv, which says what picture an image_id is. On the CPU a network of --cfg and "
        "--weights runs\n"
        "as a plan that is made of it first; --plan has it made already.");
    app.add_option("--cfg", o.cfg, "Network in darknet's format");
    app.add_option("--weights", o.weights, "Its weights in darknet's format");
    app.add_option(
        "--plan", o.plan,
        "Instead of these two: a plan that export_network or prune wrote for this kind of CPU");
    app.add_option(
           "--images", o.images,
           "A picture, or a folder of them, as the frames of a video (JPEG, PNG, WebP, BMP)")
        ->required();
    app.add_option("--out", o.out, "Folder for the results")->required();
    app.add_option("--annotations", o.annotations,
                   fmt::format("Ground truth: {}", cli::kAnnotationsHelp));
    app.add_option("--profile", o.profile,
                   "Confidence above which boxes count: standard = 0.001, as AP wants it;\npaper = "
                   "0.5, as people want it")
        ->check(cli::one_of({"standard", "paper"}))
        ->capture_default_str();
    app.add_option("--confidence", o.least, "Any other such confidence")
        ->check(cli::kFraction)
        ->excludes("--profile");
    o.policies.add_to(app, "Perturb every image first; needs --annotations");
    app.add_option("--draw", o.draw,
                   "Draw boxes above 0.25 on the first N pictures, into OUT/drawn")
        ->check(cli::kCount)
        ->capture_default_str();
    app.add_option("--device", o.device, std::string(cli::kDeviceHelp))->capture_default_str();
    app.add_option("--names", o.names,
                   "The network's class names, one a line; --annotations are matched with them by "
                   "name.\nWithout: those in the plan, else the .names file beside the weights or "
                   "the cfg, else the order of ids, or COCO's names for 80 classes");
    app.add_option("--batch-size", o.batch_size, "Images at a time")
        ->check(cli::kSome)
        ->capture_default_str();
    app.add_option("--seed", o.seed, "Of the attack's randomness")
        ->check(cli::kSeed)
        ->capture_default_str();
    app.add_flag("--strict", o.strict,
                 "A damaged image ends the run; otherwise it is reported and counted");
    cli::add_force(app, o.force);
    app.footer(
        "Example:\n  detect --cfg yolov3-tiny.cfg --weights yolov3-tiny.weights --images photos "
        "--out found --profile paper --draw 10");
    cli::parse(app, argc, argv);
    require(o.policies.attack.name == "none" || !o.annotations.empty(), "--attack",
            "should come with --annotations, since an attack raises the loss on ground truth; got "
            "none");
    require(o.plan.empty() == !o.cfg.empty() && o.plan.empty() == !o.weights.empty(), "network",
            "should be given by --cfg and --weights, or by --plan; --help lists the options");
    cli::require_files({o.cfg, o.weights, o.plan, o.annotations});
    if (o.plan.empty())
      run_network(o, o.policies.attack.chosen().attack, o.policies.color.chosen());
    else
      run_plan(o, app.count("--color") > 0);
  });
}

}  // namespace serpette::detect_program
