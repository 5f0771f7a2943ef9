#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "serpette/app/device.hpp"
#include "serpette/app/experiment_options.hpp"
#include "serpette/app/load_data.hpp"
#include "serpette/app/network_names.hpp"
#include "serpette/app/program.hpp"
#include "serpette/app/say_notes.hpp"
#include "serpette/core/counted.hpp"
#include "serpette/core/ratio.hpp"
#include "serpette/data/coco_folder.hpp"
#include "serpette/detector/yolov3.hpp"
#include "serpette/io/atomic_file.hpp"
#include "serpette/io/load_annotations.hpp"
#include "serpette/io/read_file.hpp"
#include "serpette/method/run_cell.hpp"

namespace serpette::cli {

/// Everything that options name, read and checked before any work is done.
struct LoadedExperiment {
  Yolov3 detector;
  CocoFolder train, test;
  std::vector<Ratio> ratios;
  Budget budget;
  at::Device device;
};

/// @throws Error  if a ratio is none or stands twice.
inline std::vector<Ratio> parse_ratios(const std::vector<std::string>& texts) {
  std::vector<Ratio> ratios;
  for (const auto& text : texts) ratios.push_back(Ratio::parse(text, "--ratios"));
  require_once(ratios, "--ratios", "ratio", [](Ratio ratio) { return ratio.str(); });
  return ratios;
}

/// @throws Error  if an image is in both sets; a link is what it leads to.
inline void require_apart(const CocoFolder& train, const CocoFolder& test,
                          const std::filesystem::path& test_annotations) {
  std::set<std::filesystem::path> seen;
  for (std::int64_t i = 0; i < train.size(); ++i)
    seen.insert(std::filesystem::weakly_canonical(train.path(i)));
  for (std::int64_t i = 0; i < test.size(); ++i)
    require(!seen.contains(std::filesystem::weakly_canonical(test.path(i))),
            test_annotations.string(),
            "should share no image with the training set, got {} in both", test.path(i).string());
}

/// @param first   so many of the images are looked at; 0: all.
/// @throws Error  if they have nothing to find: no box that is no crowd.
inline void require_objects(const CocoFolder& data, std::int64_t first = 0) {
  const auto count = first > 0 ? std::min(first, data.size()) : data.size();
  bool any = false;
  for (std::int64_t i = 0; i < count && !any; ++i) any = !data.boxes(i).empty();
  require(any, data.instances().source, "should have boxes of objects, got none in {}",
          count == data.size() ? counted(count, "image")
                               : fmt::format("the first {} of {} (--test-limit)", count,
                                             counted(data.size(), "image")));
}

/// @param tested  so many of the test images are looked at; 0: all.
/// @throws Error  if the two sets have other categories, or one has nothing to find.
inline void require_alike(const CocoFolder& train, const CocoFolder& test,
                          std::int64_t tested = 0) {
  const auto &a = train.instances(), &b = test.instances();
  for (std::size_t k = 0; k < a.categories.size(); ++k) {
    const auto &x = a.categories[k], &y = b.categories[k];
    require(x.name.empty() || y.name.empty() ? x.id == y.id : same_class(x.name, y.name), b.source,
            "should have the categories of {}, in which {} is \"{}\"; got {}, \"{}\"", a.source,
            x.id, x.name, y.id, y.name);
  }
  require_objects(train);
  require_objects(test, tested);
}

inline LoadedExperiment load_experiment(const ExperimentOptions& o) {
  auto ratios = parse_ratios(o.ratios);
  const auto budget = o.budget.chosen();
  const auto device = parse_device(o.device);
  require_files({o.cfg, o.weights, o.annotations, o.test_annotations});
  require_no_input(o.out, {o.images, o.test_images});
  std::vector<std::filesystem::path> inputs{o.cfg, o.weights};
  for (const auto& annotations : {o.annotations, o.test_annotations})
    std::ranges::move(files_of_annotations(annotations), std::back_inserter(inputs));
  for (const char* output : {"cells.csv", "configuration.txt", "evaluations.csv"})
    require_no_input(o.out / output, inputs);
  auto detector = Yolov3::load(o.cfg, o.weights);
  say_notes(detector, o.cfg, o.weights);
  const auto& in = detector.graph().input;
  const int classes = detector.graph().classes();
  const auto heads = partial_cutoff(o.weights) ? Heads::fresh : Heads::trained;
  auto names = network_names({}, o.weights, o.cfg, classes, o.cfg.string());
  const auto read = [&](const std::filesystem::path& annotations,
                        const std::filesystem::path& images, const Augment& augment) {
    auto instances = load_matched(annotations, images, classes, names, o.cfg.string(), heads);
    CocoFolder folder(
        std::move(instances), images,
        {.width = in.width, .height = in.height, .strict = o.strict, .augment = augment});
    if (o.strict)  // before any work is done
      for (std::int64_t i = 0; i < folder.size(); ++i) (void)folder.picture(i);
    return folder;
  };
  auto train = read(o.annotations, o.images, o.augmentation.apply_to(Augment{}, "augment"));
  if (names.empty()) names = class_names(train.instances());
  auto test = read(o.test_annotations, o.test_images, {});
  require_apart(train, test, o.test_annotations);
  require_alike(train, test, budget.evaluate.images);

  detector.to(device);
  return {std::move(detector), std::move(train), std::move(test),
          std::move(ratios),   budget,           device};
}

}  // namespace serpette::cli
