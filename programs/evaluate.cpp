// COCO's 12 numbers for a file of detections: the same doubles as pycocotools, in a fraction of its
// time.
//
//   evaluate --annotations instances.json --detections detections.json --out summary.json

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>

#include "serpette/app/load_data.hpp"
#include "serpette/app/program.hpp"
#include "serpette/core/counted.hpp"
#include "serpette/io/atomic_file.hpp"
#include "serpette/io/detections.hpp"
#include "serpette/io/load_annotations.hpp"
#include "serpette/metric/coco_evaluation.hpp"
#include "serpette/metric/coco_report.hpp"

namespace serpette::evaluate_program {

int main(int argc, char** argv) {
  return cli::run_main([&] {
    CLI::App app(
        "Compares detections with ground truth and writes COCO's 12 numbers.\n"
        "AP is the mean over IoU 0.50:0.95, AP50 and AP75 hold at one IoU; s, m, l are small "
        "(below "
        "32² pixels),\n"
        "medium and large (above 96²) objects; AR1, AR10, AR100 are recalls with so many "
        "detections "
        "per image and\n"
        "category. A number is -1 where the annotations hold nothing of its kind.");
    std::string annotations, detections, out, images;
    int threads = 0;
    bool per_category = false;
    app.add_option("--annotations", annotations,
                   fmt::format("Ground truth: {}", cli::kAnnotationsHelp))
        ->required();
    app.add_option("--detections", detections,
                   "Detections: COCO results JSON, or CSV with the columns\n"
                   "image_id,x,y,width,height,confidence,category_id (name ends in .csv)")
        ->required();
    app.add_option(
        "--images", images,
        "Folder of the pictures, for annotations that need them: YOLO's labels apart from "
        "their pictures");
    app.add_option("--out", out, "Where the numbers go as JSON, in full precision")->required();
    app.add_flag("--per-category", per_category, "Print AP of each category as well");
    app.add_option("--threads", threads, "Threads to use; 0 takes all")
        ->check(CLI::NonNegativeNumber);
    app.footer(
        "Example:\n  evaluate --annotations instances.json --detections detections.csv --out "
        "summary.json");
    cli::parse(app, argc, argv);
    require(images.empty() || std::filesystem::is_directory(images), images,
            "should be a folder of pictures, got {}",
            std::filesystem::exists(images) ? "a file" : "nothing of that name");
    require_no_input(out, {detections, images});
    require_no_input(out, files_of_annotations(annotations));
    const auto truth = load_annotations(annotations, {.images = images});
    const auto found = read_detections(detections, truth);
    const auto unknown = std::ranges::count(found, kUnknownCategory, &Detection::category);
    if (unknown > 0)
      fmt::print(stderr,
                 "note: {} of {} detections are of categories that {} does not list; they are "
                 "passed over\n",
                 unknown, found.size(), annotations);
    require(found.empty() || unknown < std::ssize(found), detections,
            "category ids should be those of {}, got no detection of a listed category",
            annotations);
    if (std::ranges::any_of(truth.annotations, [](const auto& a) { return a.id == 0; }))
      fmt::print(
          stderr,
          "note: {} has an annotation with id 0, which never counts as found (as in pycocotools); "
          "number annotations from 1\n",
          annotations);
    const auto summary = evaluate(truth, found, threads);
    write_file(out, summary_json(summary));
    fmt::print("{}, {}, {}\n{}", counted(truth.images.size(), "image"),
               counted(truth.annotations.size(), "box"), counted(found.size(), "detection"),
               summary_text(summary));
    if (per_category)
      for (std::size_t k = 0; k < truth.categories.size(); ++k)
        fmt::print("  {:<24} {:.6f}\n", truth.categories[k].name, summary.average_precision(k));
  });
}

}  // namespace serpette::evaluate_program
