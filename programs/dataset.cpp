// dataset: what is done with a data set before training: formats, parts, statistics, anchors.
//
//   dataset convert --from voc --to coco --annotations VOC2007 --out instances.json
//   dataset split --annotations instances.json --parts 0.8,0.2 --seed 1 --out parts
//   dataset stats --annotations parts/train.json parts/test.json --images photos --out all.svg
//   dataset anchors --annotations parts/train.json --size 416 --count 9

#include <CLI/CLI.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <system_error>
#include <unordered_set>
#include <vector>

#include "serpette/app/cli.hpp"
#include "serpette/app/program.hpp"
#include "serpette/core/counted.hpp"
#include "serpette/core/few_of.hpp"
#include "serpette/data/anchors.hpp"
#include "serpette/data/data_statistics.hpp"
#include "serpette/data/stratified_split.hpp"
#include "serpette/io/atomic_file.hpp"
#include "serpette/io/load_annotations.hpp"
#include "support/dataset_picture.hpp"

namespace serpette::dataset_program {

namespace {

namespace fs = std::filesystem;

struct Options {
  std::string from, to;
  std::vector<fs::path> annotations;
  fs::path images, names, out;
  std::vector<double> parts{0.8, 0.2};
  std::uint64_t seed = 1;
  int size = 416, count = 9;
};

/// @param missing_pictures  as in AnnotationOptions: the caller looks for the files.
Instances load(const Options& o, const fs::path& annotations, bool missing_pictures = false) {
  AnnotationOptions options{.images = o.images, .missing_pictures = missing_pictures};
  if (!o.names.empty()) options.names = load_class_names(o.names);
  auto found = o.from == "voc"    ? load_voc(annotations, options)
               : o.from == "yolo" ? load_yolo(annotations, options)
               : o.from == "coco" ? load_instances(annotations)
                                  : load_annotations(annotations, options);
  require(o.names.empty() || !found.has_image_ids, "--names",
          "should come with Pascal VOC's or YOLO's annotations, got COCO's, which name their "
          "classes: {}",
          annotations.string());
  return found;
}

/// A few of many names, behind a count.
std::string some(const std::vector<std::string>& names) {
  return names.empty() ? "" : fmt::format(" ({})", few_of(names));
}

/// What no output may replace: all that annotations are made of, and the names.
std::vector<fs::path> inputs_of(const Options& o, const fs::path& annotations) {
  auto inputs = files_of_annotations(annotations);
  inputs.push_back(o.names);
  return inputs;
}

/// Refuses a folder to write annotations into that holds those that are read: with `instances` of
/// the same kind they would be replaced.
void require_other_folder(const Options& o, const Instances& instances) {
  if (instances.has_image_ids) return;  // COCO's one file
  const auto annotations = o.annotations.front();
  const auto require_outside = [&](const fs::path& file, const fs::path& folder) {
    require(!detail::is_within(file, folder), o.out.string(),
            "should be another folder than that of the input {}, got the same",
            annotations.string());
  };
  require_outside(detail::part_of(annotations).file, o.out);
  // What says where labels are may lie elsewhere than they do.
  std::set<fs::path> folders;
  std::error_code code;
  for (const auto& file : files_of_annotations(annotations))
    folders.insert(fs::is_directory(file, code) ? file : fs::absolute(file).parent_path());
  for (const auto& folder : folders)
    require_outside(folder, o.out / (o.to == "voc" ? "Annotations" : "labels"));
}

void convert(const Options& o) {
  auto instances = load(o, o.annotations.front(), !o.images.empty());
  std::int64_t missing = 0;
  if (!o.images.empty()) {
    std::unordered_set<std::int64_t> there;
    for (const auto& image : instances.images)
      if (fs::is_regular_file(o.images / image.file_name)) there.insert(image.id);
    missing = std::ssize(instances.images) - std::ssize(there);
    require(!there.empty(), o.images.string(),
            "should hold the {} pictures of {}, got none of them", instances.images.size(),
            instances.source);
    instances = subset(instances, there);
  }
  std::int64_t left_out = 0;
  const auto inputs = inputs_of(o, o.annotations.front());
  if (o.to == "coco") {
    require_no_input(o.out, inputs);
    require_no_input(o.out, {o.images});
    save_instances(o.out, instances);
  } else if (o.to == "voc") {
    require_other_folder(o, instances);
    save_voc(o.out, instances);
  } else {
    require(!o.images.empty(), "--images",
            "should be given for --to yolo, whose boxes are parts of "
            "the pictures; got none");
    require_other_folder(o, instances);
    for (const char* output : {"images.txt", "obj.names", "obj.data", "data.yaml"})
      require_no_input(o.out / output, inputs);
    left_out = save_yolo(o.out, instances, o.images);
  }
  fmt::print("{}: {}, {}, {}\n", o.out.string(), counted(instances.images.size(), "picture"),
             counted(std::ssize(instances.annotations) - left_out, "box"),
             counted(instances.categories.size(), "class"));
  if (missing > 0)
    fmt::print("{} {} not in {} and left out\n", counted(missing, "picture"),
               missing == 1 ? "is" : "are", o.images.string());
  if (left_out > 0) fmt::print("{} crowds and boxes without area were left out\n", left_out);
}

void split(const Options& o) {
  static const std::map<std::size_t, std::vector<std::string>> kNames{
      {1, {"all"}}, {2, {"train", "test"}}, {3, {"train", "val", "test"}}};
  const auto instances = load(o, o.annotations.front());
  const auto parts = stratified_split(instances, o.parts, Seed(o.seed));
  const auto inputs = inputs_of(o, o.annotations.front());
  std::vector<fs::path> files;
  for (std::size_t p = 0; p < parts.size(); ++p) {
    const auto named = kNames.find(parts.size());
    files.push_back(o.out / (named == kNames.end() ? fmt::format("part{}.json", p + 1)
                                                   : named->second[p] + ".json"));
    require_no_input(files.back(), inputs);
  }
  for (std::size_t p = 0; p < parts.size(); ++p) {
    save_instances(files[p], parts[p]);
    fmt::print("{}: {}, {}\n", files[p].string(), counted(parts[p].images.size(), "picture"),
               counted(parts[p].annotations.size(), "box"));
  }
  for (const char* name : {"all", "train", "val", "test"}) {
    const auto file = o.out / fmt::format("{}.json", name);
    if (fs::exists(file) && std::ranges::find(files, file) == files.end())
      fmt::print(stderr,
                 "note: {} was there before and is no part of this split; it may share pictures "
                 "with it\n",
                 file.string());
  }
}

void print(const DataStatistics& s, bool files) {
  const auto quantile = [](const auto& sorted, double q) {
    return sorted.empty() ? 0.0
                          : double(sorted[static_cast<std::size_t>(q * double(sorted.size() - 1))]);
  };
  fmt::print("  {}, {} of them without a box; {:.0f} boxes in the median, {:.0f} at most\n",
             counted(s.images, "picture"), s.empty_images, quantile(s.per_image, 0.5),
             quantile(s.per_image, 1));
  fmt::print("  {}: {} small, {} medium, {} large (below 32², below 96² pixels, above)\n",
             counted(s.boxes, "box"), s.sizes[0], s.sizes[1], s.sizes[2]);
  fmt::print("  side of a box, of its picture's: {:.3f} to {:.3f}, median {:.3f}\n",
             quantile(s.sides, 0), quantile(s.sides, 1), quantile(s.sides, 0.5));
  fmt::print("  {} without area, {} outside their picture, {} twice in it, {} crowds\n",
             s.without_area, s.outside, s.repeated, s.crowds);
  if (files)
    fmt::print("  files: {} missing{}, {} damaged{}, {} of another size than annotated{}\n",
               s.missing.size(), some(s.missing), s.damaged.size(), some(s.damaged),
               s.of_other_size.size(), some(s.of_other_size));
  fmt::print("  {:<24} {:>8} {:>9}\n", "class", "boxes", "pictures");
  for (const auto& c : s.classes) fmt::print("  {:<24} {:>8} {:>9}\n", c.name, c.boxes, c.images);
}

void stats(const Options& o) {
  require_no_input(o.out, {o.images});
  for (const auto& annotations : o.annotations) require_no_input(o.out, inputs_of(o, annotations));
  std::map<FileMark, std::vector<std::string>> files;  // who holds a file of these bytes
  std::map<std::string, std::vector<std::string>> names;
  std::vector<cli::ShownStatistics> all;
  cli::SharedData shared;
  for (const auto& annotations : o.annotations) {
    const auto instances = load(o, annotations, !o.images.empty());
    auto s = data_statistics(instances);
    for (const auto& image : instances.images)
      names[image.file_name].push_back(annotations.string());
    if (!o.images.empty())
      for (const auto& [mark, name] : check_files(instances, o.images, s))
        files[mark].push_back(fmt::format("{} of {}", name, annotations.string()));
    fmt::print("{}\n", annotations.string());
    print(s, !o.images.empty());
    all.push_back({annotations.string(), std::move(s), !o.images.empty()});
  }
  const auto repeated = [](const auto& held) {
    std::vector<std::string> twice;
    for (const auto& [key, holders] : held)
      if (holders.size() > 1) twice.push_back(fmt::format("{}", fmt::join(holders, " = ")));
    return twice;
  };
  std::vector<std::string> listed;
  for (const auto& [name, holders] : names)
    if (holders.size() > 1) listed.push_back(name);
  shared.listed_twice = std::ssize(listed);
  if (o.annotations.size() > 1)
    fmt::print("{} {} listed twice{}\n", counted(listed.size(), "picture"),
               listed.size() == 1 ? "is" : "are", some(listed));
  if (!o.images.empty()) {
    const auto same = repeated(files);
    shared.equal_files = std::ssize(same);
    fmt::print("{} {} the same as others{}\n", counted(same.size(), "file"),
               same.size() == 1 ? "is" : "are", some(same));
  }
  if (o.out.empty()) return;
  write_file(o.out, std::string_view(cli::statistics_svg(all, shared)));
  fmt::print("picture: {}\n", o.out.string());
}

void anchors(const Options& o) {
  const auto boxes = box_sizes(load(o, o.annotations.front()), o.size, o.size);
  const auto found = cluster_anchors(boxes, o.count, Seed(o.seed));
  std::string text;
  for (const auto& a : found)
    text += fmt::format("{}{:.0f},{:.0f}", text.empty() ? "" : ",  ", std::max(1.0, a.width),
                        std::max(1.0, a.height));
  fmt::print("anchors = {}\n", text);
  fmt::print(stderr, "mean best IoU {:.3f} with {} on {} x {} pixels\n",
             mean_best_iou(boxes, found), counted(boxes.size(), "box"), o.size, o.size);
}

}  // namespace

int main(int argc, char** argv) {
  return cli::run_main([&] {
    Options o;
    CLI::App app("Converts, splits and describes data sets of pictures with boxes.");
    app.require_subcommand(1);
    const auto command = [&](const char* name, const char* help, int most) {
      auto* sub = app.add_subcommand(name, help);
      sub->add_option(
             "--annotations", o.annotations,
             "COCO's JSON, a folder of Pascal VOC's XML or of YOLO's labels, a .data file or "
             "data.yaml\n(behind a colon which part of it: obj.data:valid)")
          ->required()
          ->expected(1, most);
      sub->add_option("--images", o.images, "Folder of the pictures");
      sub->add_option("--names", o.names, "Class names in their order, one a line (VOC, YOLO)");
      return sub;
    };
    auto* to_convert = command("convert", "Write annotations in another format", 1);
    const std::vector<std::string> formats{"coco", "voc", "yolo"};
    to_convert->add_option("--from", o.from, "What --annotations are; else what they look like")
        ->check(cli::one_of(formats));
    to_convert->add_option("--to", o.to, "What to write")->required()->check(cli::one_of(formats));
    to_convert->add_option("--out", o.out, "A JSON file for coco, a folder for voc and yolo")
        ->required();

    auto* to_split = command("split", "Divide by a seed, with every class in each part", 1);
    to_split->add_option("--parts", o.parts, "Fractions of the pictures, e.g. 0.8,0.2")
        ->delimiter(',')
        ->check(cli::kFraction)
        ->capture_default_str();
    to_split->add_option("--seed", o.seed, "Equal seeds give equal parts")
        ->check(cli::kSeed)
        ->capture_default_str();
    to_split
        ->add_option("--out", o.out, "Folder for train.json and test.json, with val.json of three")
        ->required();

    auto* to_stats = command("stats", "Say what is in it; several files are compared", 100);
    to_stats->add_option("--out", o.out, "A picture of it (SVG)");

    auto* to_anchors = command("anchors", "Propose anchors for a cfg (k-means on IoU)", 1);
    to_anchors->add_option("--size", o.size, "Width and height of the network's input [pixels]")
        ->check(cli::whole_number(32, 8192))
        ->capture_default_str();
    to_anchors->add_option("--count", o.count, "How many: 6 for yolov3-tiny, 9 for yolov3")
        ->check(cli::whole_number(1, 1000))
        ->capture_default_str();
    to_anchors->add_option("--seed", o.seed, "Of the starts")
        ->check(cli::kSeed)
        ->capture_default_str();

    cli::parse(app, argc, argv);
    if (to_convert->parsed()) convert(o);
    if (to_split->parsed()) split(o);
    if (to_stats->parsed()) stats(o);
    if (to_anchors->parsed()) anchors(o);
  });
}

}  // namespace serpette::dataset_program
