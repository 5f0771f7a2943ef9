// Attacks pictures against a network and keeps what the network then sees.
//
//   attack --cfg yolov3-tiny.cfg --weights yolov3-tiny.weights --images photos --annotations
//   instances.json --attack pgd --epsilon 0.03 --steps 50 --out attacked
//
// Writes inputs/*.png, the attacked network inputs in 8 bits, rounded towards the clean ones;
// images.csv, a line per picture; summary.json, COCO's 12 numbers clean and attacked; and strips of
// pictures.

#include <ATen/Parallel.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "serpette/app/policies.hpp"
#include "serpette/app/program.hpp"
#include "serpette/app/used_folder.hpp"
#include "serpette/attack/eight_bits.hpp"
#include "serpette/data/as_image.hpp"
#include "serpette/io/atomic_file.hpp"
#include "serpette/io/csv.hpp"
#include "serpette/io/draw.hpp"
#include "serpette/method/evaluate.hpp"
#include "serpette/metric/coco_evaluation.hpp"
#include "serpette/metric/coco_report.hpp"
#include "serpette/metric/stopwatch.hpp"
#include "serpette/metric/worst_case.hpp"
#include "serpette/study/progress.hpp"
#include "serpette/study/store.hpp"
#include "support/png_name.hpp"
#include "support/test_data.hpp"

namespace serpette::attack_program {

namespace {

struct Options {
  cli::TestData data;
  cli::AttackOptions attack{"", ""};
  cli::ColorOption color;
  std::int64_t strips = 8;
};

/// A picture of the batch, before and after.
struct Attacked {
  std::int64_t id = 0;
  std::string file, png;
  double max_abs = 0, length = 0;  ///< Of the perturbation of the encoded image, before rounding.
  Letterbox place;
  std::vector<Detection> clean{}, attacked{};
};

/// The network's input with the boxes that people would want to see.
Image with_boxes(Image image, const Letterbox& place, const std::vector<Detection>& found,
                 const std::vector<CocoCategory>& categories) {
  constexpr double kWorthSeeing = 0.25;
  std::vector<Detection> shown;
  for (auto d : found)
    if (d.score > kWorthSeeing) {
      d.box = place.to_canvas(d.box);
      shown.push_back(d);
    }
  draw_detections(image, shown, categories);
  return image;
}

/// Original | perturbation × 10 around grey | attacked.
Image strip(const at::Tensor& clean, const at::Tensor& attacked, const Attacked& one,
            const std::vector<CocoCategory>& categories) {
  const auto bytes = [](const at::Tensor& x) {
    return as_image((x * 255).round().clamp(0, 255).to(at::kByte));
  };
  const std::vector<Image> row{with_boxes(bytes(clean), one.place, one.clean, categories),
                               bytes(0.5 + 10 * (attacked - clean)),
                               with_boxes(bytes(attacked), one.place, one.attacked, categories)};
  const int side = std::max({300, one.place.canvas_width, one.place.canvas_height});
  return sample_grid({row}, {one.file}, {"original", "perturbation x 10", "attacked"}, side);
}

void run(const Options& o, const ChosenAttack& chosen, const ErasedColorMode& color) {
  const auto& attack = chosen.attack;
  const auto device = cli::parse_device(o.data.device);
  auto detector = o.data.load_network(
      device, {"inputs", "strips", "images.csv", "summary.json", "configuration.txt"});
  const auto data = o.data.load_pictures(detector.graph());
  auto lines = o.data.lines();
  lines.push_back({"color", o.color.name});
  lines.push_back({"batch-size", fmt::to_string(o.data.batch_size)});  // whose randomness is one
  lines.push_back({"attack", chosen.settings});
  const Store store = cli::open_results(o.data.out, o.data.force, "attack", std::move(lines));
  const auto network = detector.frozen();
  Generator rng(Seed(o.data.seed).derive("attack"));

  std::map<std::int64_t, std::string> files;
  for (const auto& image : data.instances().images) files[image.id] = image.file_name;
  std::set<std::string> taken;
  std::vector<Attacked> all;
  double seconds = 0;
  {
    const torch::NoGradGuard no_grad;
    Progress progress;
    notify::stage(progress, "pictures", data.size());
    cli::for_each_batch(
        data, o.data.batch_size, device, [&](const ImageBatch& batch, std::int64_t done) {
          const auto encoded = color.encode(batch.images);
          const Stopwatch watch;
          const auto hit = attacked_encoding(detector, encoded, batch.truth, attack, color, rng);
          const auto delta = (hit - encoded).flatten(1);
          const auto largest = delta.abs().amax(1).cpu(), length = delta.norm(2, 1).cpu();
          seconds += watch.seconds();
          const auto clean = color.expand(encoded).contiguous();
          const auto attacked = color.expand(hit).contiguous();
          const auto before =
              detector.detections(network.forward(clean), batch, kStandardConfidence);
          const auto after =
              detector.detections(network.forward(attacked), batch, kStandardConfidence);
          const auto bytes = eight_bits(attacked, clean);
          store.begin();
          for (std::int64_t i = 0; i < batch.size(); ++i) {
            const auto k = static_cast<std::size_t>(i);
            const auto id = batch.image_ids[k];
            Attacked one{id,
                         files[id],
                         cli::png_name(files[id], id, taken),
                         largest[i].item<double>(),
                         length[i].item<double>(),
                         batch.geometry[k],
                         before[k],
                         after[k]};
            write_png(o.data.out / "inputs" / one.png, as_image(bytes[i]));
            if (std::ssize(all) < o.strips)
              write_png(o.data.out / "strips" / one.png,
                        strip(clean[i].cpu(), attacked[i].cpu(), one, data.instances().categories));
            all.push_back(std::move(one));
          }
          notify::step(progress, done, std::nan(""));
        });
    progress.clear();
  }

  const auto truth = cli::readable(data);
  std::map<std::int64_t, std::vector<CocoAnnotation>> boxes;
  for (const auto& a : truth.annotations) boxes[a.image_id].push_back(a);
  std::vector<Detection> clean, attacked;
  double max_abs = 0, mean_l2 = 0;
  CsvWriter csv;
  csv.row("image_id", "file_name", "png", "max_abs", "l2", "boxes", "found_clean",
          "found_attacked");
  for (const auto& one : all) {
    const auto& mine = boxes[one.id];
    max_abs = std::max(max_abs, one.max_abs);
    mean_l2 += one.length / static_cast<double>(all.size());
    csv.row(one.id, one.file, one.png, one.max_abs, one.length, std::ssize(mine),
            result_of_image(mine, one.clean).found, result_of_image(mine, one.attacked).found);
    clean.insert(clean.end(), one.clean.begin(), one.clean.end());
    attacked.insert(attacked.end(), one.attacked.begin(), one.attacked.end());
  }
  write_file(o.data.out / "images.csv", csv.text());
  const auto before = evaluate(truth, clean, at::get_num_threads()),
             after = evaluate(truth, attacked, at::get_num_threads());
  const nlohmann::ordered_json summary{
      {"attack", chosen.settings},
      {"color", o.color.name},
      {"images", all.size()},
      {"clean", nlohmann::ordered_json::parse(summary_json(before))},
      {"attacked", nlohmann::ordered_json::parse(summary_json(after))},
      {"max_abs", max_abs},
      {"mean_l2", mean_l2},
      {"seconds", seconds}};
  write_file(o.data.out / "summary.json", summary.dump(2) + "\n");
  fmt::print(
      "{} pictures under {}: AP50 {:.4f} clean, {:.4f} attacked; largest change {:.4g}, mean "
      "length {:.4g}; files in {}\n",
      all.size(), chosen.label, before.AP50, after.AP50, max_abs, mean_l2, o.data.out.string());
}

}  // namespace

int main(int argc, char** argv) {
  return cli::run_main([&] {
    Options o;
    CLI::App app(
        "Attacks pictures against a network. Writes the attacked network inputs as PNG (8 bits,\n"
        "rounded towards the clean ones), images.csv with a line per picture, summary.json with\n"
        "COCO's 12 numbers clean and attacked, and strips of pictures.");
    o.data.add_to(app, "Only the first N pictures; 0: all");
    cli::add_force(app, o.data.force);
    o.attack.add_to(app, "Which attack");
    o.color.add_to(app);
    app.add_option("--strips", o.strips,
                   "Draw the first N pictures: original, perturbation x 10, attacked")
        ->check(cli::kCount)
        ->capture_default_str();
    app.footer(
        "Example:\n  attack --cfg yolov3-tiny.cfg --weights yolov3-tiny.weights --images photos "
        "--annotations instances.json --attack apgd --epsilon 0.03 --out attacked");
    cli::parse(app, argc, argv);
    run(o, o.attack.chosen(), o.color.chosen());
  });
}

}  // namespace serpette::attack_program
