#pragma once

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "serpette/app/cli.hpp"
#include "serpette/app/device.hpp"
#include "serpette/app/load_data.hpp"
#include "serpette/app/network_names.hpp"
#include "serpette/app/program.hpp"
#include "serpette/app/used_folder.hpp"
#include "serpette/data/coco_folder.hpp"
#include "serpette/detector/yolov3.hpp"
#include "serpette/formats/darknet/weights.hpp"
#include "serpette/io/atomic_file.hpp"
#include "serpette/io/class_names.hpp"
#include "serpette/io/file_fingerprint.hpp"
#include "serpette/io/load_annotations.hpp"
#include "serpette/study/configuration.hpp"

namespace serpette::cli {

/// A network and annotated pictures: what programs are given that look at one network.
struct TestData {
  std::filesystem::path cfg, weights, images, annotations, names, out;
  std::string device = "auto";
  std::int64_t batch_size = 8, limit = 0;
  std::uint64_t seed = 1;
  bool force = false;  ///< For programs that keep a configuration with their results.

  void add_to(CLI::App& app, const std::string& limit_help) {
    app.add_option("--cfg", cfg, "Network in darknet's format")->required();
    app.add_option("--weights", weights, "Its weights in darknet's format")->required();
    app.add_option("--images", images, "Folder of pictures")->required();
    app.add_option("--annotations", annotations, fmt::format("Their boxes: {}", kAnnotationsHelp))
        ->required();
    app.add_option("--out", out, "Folder for the results")->required();
    app.add_option(
        "--names", names,
        "The network's class names, one a line; --annotations are matched with them by "
        "name.\nWithout: the .names file beside the weights or the cfg, else the order of ids, or "
        "COCO's names for 80 classes");
    app.add_option("--limit", limit, limit_help)->check(kCount)->capture_default_str();
    app.add_option("--batch-size", batch_size, "Pictures at a time")
        ->check(kSome)
        ->capture_default_str();
    app.add_option("--seed", seed, "Root of all randomness")->check(kSeed)->capture_default_str();
    app.add_option("--device", device, std::string(kDeviceHelp))->capture_default_str();
  }

  /// @throws Error  if the weights are of a part of a network, an input is a pipe, or an output is
  /// an input.
  /// @param outputs  files and folders that the program writes in --out.
  [[nodiscard]] Yolov3 load_network(at::Device where,
                                    std::initializer_list<const char*> outputs) const {
    require_files({cfg, weights, annotations});
    require_no_input(out, {images, annotations});
    require_no_input_in(out, outputs, {cfg, weights, images, annotations, names});
    return load_whole(cfg, weights, where);
  }
  static Yolov3 load_whole(const std::filesystem::path& cfg, const std::filesystem::path& weights,
                           at::Device where) {
    require(!partial_cutoff(weights), weights.string(),
            "should be the weights of a whole network, got a name of a part of them (.conv.N), "
            "which only training starts from");
    auto detector = Yolov3::load(cfg, weights);
    detector.to(where);
    return detector;
  }

  /// The pictures at the network's size, the first `limit` of them.
  [[nodiscard]] CocoFolder load_pictures(const Graph& graph) const {
    auto instances = load_matched(annotations, images, graph.classes(),
                                  network_names(names, weights, cfg, graph.classes(), cfg.string()),
                                  cfg.string());
    if (limit > 0 && limit < std::ssize(instances.images)) {
      instances.images.resize(static_cast<std::size_t>(limit));
      std::erase_if(instances.annotations, [&](const CocoAnnotation& a) {
        return std::ranges::find(instances.images, a.image_id, &CocoImage::id) ==
               instances.images.end();
      });
    }
    return {std::move(instances),
            images,
            {.width = graph.input.width, .height = graph.input.height, .cache_bytes = 0}};
  }

  /// What results depend on.
  [[nodiscard]] std::vector<ConfigurationLine> lines() const {
    return {{"cfg", file_fingerprint(cfg)},
            {"weights", file_fingerprint(weights)},
            {"images", std::filesystem::weakly_canonical(images).string()},
            {"annotations", fingerprint(annotations_text(annotations, {.images = images}))},
            {"limit", fmt::to_string(limit)},
            {"seed", fmt::to_string(seed)}};
  }
};

/// Calls `visit(batch, begin)` with the batches of a folder in order, on the device; batches
/// without a readable picture are passed over.
template <class Visit>
void for_each_batch(const CocoFolder& data, std::int64_t batch_size, at::Device device,
                    Visit&& visit) {
  for (std::int64_t begin = 0; begin < data.size(); begin += batch_size) {
    std::vector<std::int64_t> indices(
        static_cast<std::size_t>(std::min(batch_size, data.size() - begin)));
    std::iota(indices.begin(), indices.end(), begin);
    const auto batch = data.batch(indices).to(device);
    if (batch.size() > 0) visit(batch, begin + std::ssize(indices));
  }
}

/// The ground truth without the pictures that turned out damaged.
/// @throws Error  if none is left.
inline Instances readable(const CocoFolder& data) {
  auto truth = data.instances();
  const auto damaged = data.unreadable();
  std::erase_if(truth.images, [&](const CocoImage& i) { return damaged.contains(i.id); });
  std::erase_if(truth.annotations,
                [&](const CocoAnnotation& a) { return damaged.contains(a.image_id); });
  require(!truth.images.empty(), truth.source,
          "should hold at least one readable picture, got {} damaged ones", damaged.size());
  return truth;
}

}  // namespace serpette::cli
