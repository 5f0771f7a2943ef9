// new_network: the cfg of a network that fits a data set: its classes, its anchors, its filters.
//   new_network --annotations parts/train.json --images photos --base yolov3-tiny --size 320
//               --out own.cfg
#include <CLI/CLI.hpp>

#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "serpette/app/cli.hpp"
#include "serpette/app/load_data.hpp"
#include "serpette/app/program.hpp"
#include "serpette/core/counted.hpp"
#include "serpette/data/anchors.hpp"
#include "serpette/formats/darknet/fit_network.hpp"
#include "serpette/graph/footprint.hpp"
#include "serpette/io/atomic_file.hpp"
#include "serpette/io/class_names.hpp"
#include "serpette/io/load_annotations.hpp"

namespace serpette::new_network_program {

namespace {

namespace fs = std::filesystem;

/// A network that ships with serpette, and the file that people start it from.
struct Base {
  std::string_view name, folder, file, backbone, source;
};
constexpr std::array kBases{
    Base{"yolov3-tiny", "cfg", "yolov3-tiny.cfg", "yolov3-tiny.conv.15",
         "a link of that name to https://pjreddie.com/media/files/yolov3-tiny.weights"},
    Base{"yolov3", "cfg", "yolov3.cfg", "darknet53.conv.74",
         "https://pjreddie.com/media/files/darknet53.conv.74"},
    Base{"yolov3-spp", "cfg", "yolov3-spp.cfg", "darknet53.conv.74",
         "https://pjreddie.com/media/files/darknet53.conv.74"},
    Base{
        "slim", "demo", "yolov3-slim.cfg", "yolov3-slim.conv.27",
        "a link of that name to share/serpette/demo/yolov3-slim.weights, trained on drawn scenes"}};

struct Options {
  fs::path annotations, images, classes, out;
  std::string base, anchors = "auto";
  int size = 0, count = 0;
  std::uint64_t seed = 1;
};

/// The data set's boxes with the categories that are its classes; one without a name is called by
/// its number in the data set, as match_categories finds it again.
Instances load(const Options& o) {
  auto instances = load_annotations(o.annotations, {.images = o.images});
  std::vector<std::string> names;
  if (!o.classes.empty()) {
    names = load_class_names(o.classes);
  } else {  // a category without boxes, such as Roboflow's first, is no class
    const auto boxes_of = boxes_of_categories(instances);
    for (std::size_t k = 0; k < boxes_of.size(); ++k)
      if (boxes_of[k] > 0) names.push_back(written_name(instances.categories, k));
  }
  require(!names.empty(), instances.source, "should have boxes of some class, got none");
  for (const auto& note :
       match_categories(instances, static_cast<int>(names.size()), names, "the new network"))
    fmt::print(stderr, "note: {}\n", note);
  for (std::size_t c = 0; c < names.size(); ++c)
    if (auto& name = instances.categories[c].name; name.empty()) name = names[c];
  require_class_names(instances.categories, instances.source);
  return instances;
}

std::vector<std::array<float, 2>> whole_pixels(const std::vector<ShapeSize>& sizes) {
  std::vector<std::array<float, 2>> anchors;
  const auto pixels = [](double x) { return static_cast<float>(std::max(1.0, std::round(x))); };
  for (const auto& s : sizes) anchors.push_back({pixels(s.width), pixels(s.height)});
  return anchors;
}

void write(const Options& o) {
  require(o.out.extension() != ".names", "--out",
          "should name the cfg that is written, the class names go beside it; got {}",
          o.out.string());
  const auto* known = std::ranges::find(kBases, o.base, &Base::name);
  const auto base =
      load_cfg(known == kBases.end()
                   ? fs::path(o.base)
                   : cli::shared_folder(std::string(known->folder), std::string(known->file),
                                        fs::path(SERPETTE_SHARE) / known->folder) /
                         known->file);
  std::vector<std::string> names;
  std::vector<std::array<float, 2>> anchors;
  std::vector<ShapeSize> boxes;
  const int width = o.size > 0 ? o.size : base.input.width,
            height = o.size > 0 ? o.size : base.input.height;
  if (o.annotations.empty()) {
    names = load_class_names(o.classes);
  } else {
    const auto data = load(o);
    for (const auto& category : data.categories) names.push_back(category.name);
    boxes = box_sizes(data, width, height);
    const auto count = o.count > 0 ? o.count : 3 * static_cast<int>(base.heads().size());
    if (o.anchors == "auto") anchors = whole_pixels(cluster_anchors(boxes, count, Seed(o.seed)));
  }
  const auto fitted = fit_network(base, static_cast<int>(names.size()), o.size, anchors);
  const auto names_file = beside_network(o.out, ".names");
  const auto data = files_of_annotations(o.annotations);
  for (const auto& output : {o.out, names_file}) {
    require_no_input(output, {o.base, o.classes, o.images});
    require_no_input(output, data);
  }
  std::string text;
  for (const auto& name : names) text += name + '\n';
  StagedFile cfg(o.out, write_cfg(fitted)), list(names_file, text);
  list.commit();
  cfg.commit();

  fmt::print("{}: {}, {} x {} pixels, {:.2f} million parameters; names in {}\n", o.out.string(),
             counted(names.size(), "class"), fitted.input.width, fitted.input.height,
             static_cast<double>(parameters(fitted)) / 1e6, names_file.string());
  for (const int head : fitted.heads()) {
    const auto& yolo = fitted.head(head);
    std::vector<std::string> own;
    for (const int m : yolo.mask) {
      const auto& [w, h] = yolo.anchors[static_cast<std::size_t>(m)];
      own.push_back(fmt::format("{:g},{:g}", w, h));
    }
    fmt::print("head of stride {}: anchors {}\n", fitted.input.width / fitted.shape(head).width,
               fmt::join(own, "  "));
  }
  if (!boxes.empty()) {
    std::vector<ShapeSize> used;
    for (const auto& [w, h] : fitted.head(fitted.heads().front()).anchors) used.push_back({w, h});
    fmt::print("mean best IoU of {} boxes with an anchor: {:.3f}\n", boxes.size(),
               mean_best_iou(boxes, used));
  }
  const int cutoff = layers_below_heads(fitted);
  if (known != kBases.end())
    fmt::print("start it from --weights {} ({})\n", known->backbone, known->source);
  else
    fmt::print("start it from the base's own weights under a name that ends in .conv.{}\n", cutoff);
}

}  // namespace

int main(int argc, char** argv) {
  return cli::run_main([&] {
    Options o;
    CLI::App app(
        "Writes the cfg of a network that fits a data set (its classes, anchors that k-means "
        "finds, "
        "the\n"
        "filters they need) and its class names beside it, and says what file starts it.");
    app.add_option("--base", o.base, "yolov3-tiny, yolov3, yolov3-spp, slim, or a cfg: the layers")
        ->required();
    auto* const annotations =
        app.add_option("--annotations", o.annotations,
                       fmt::format("The training data: {}", cli::kAnnotationsHelp));
    app.add_option("--images", o.images, "Its pictures, for annotations that need them")
        ->needs(annotations);
    app.add_option("--classes", o.classes,
                   "Class names, one a line, in the order that the network is to have;\nwithout: "
                   "the categories with boxes, by id");
    app.add_option("--size", o.size, "Width and height of its input [pixels]; 0: the base's")
        ->check(cli::whole_number(0, 1 << 14))
        ->capture_default_str();
    app.add_option("--anchors", o.anchors, "auto: found for the boxes; base: as the base has them")
        ->check(cli::one_of({"auto", "base"}))
        ->capture_default_str()
        ->needs(annotations);
    app.add_option("--count", o.count, "Anchors to find, of all heads; 0: three a head")
        ->check(cli::whole_number(0, 64))
        ->capture_default_str()
        ->needs(annotations);
    app.add_option("--seed", o.seed, "Of k-means")
        ->check(cli::kSeed)
        ->capture_default_str()
        ->needs(annotations);
    app.add_option("--out", o.out, "The cfg to write")->required();
    app.footer(
        "Example:\n  new_network --annotations train.json --base yolov3-tiny --size 320 --out "
        "own.cfg");
    cli::parse(app, argc, argv);
    require(!o.annotations.empty() || !o.classes.empty(), "classes",
            "should be given by --annotations, by --classes or by both, got neither");
    require(o.anchors == "auto" || (app.count("--count") == 0 && app.count("--seed") == 0),
            "--count", "should come, as --seed, with --anchors auto; got base");
    write(o);
  });
}

}  // namespace serpette::new_network_program
