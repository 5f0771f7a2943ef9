#pragma once

#include "serpette/app/experiment_options.hpp"
#include "serpette/app/program.hpp"
#include "serpette/data/drawn_data.hpp"
#include "serpette/io/file_lock.hpp"

namespace serpette::cli {

/// The slim YOLOv3 that ships with the project, trained under attack. Sources that include this
/// define SERPETTE_DEMO, where it lies among the sources.
/// @param greyscale  whether some scenarios see grey: they start from weights trained on that.
inline void use_shipped_network(ExperimentOptions& o, bool greyscale = false) {
  const auto network = shared_folder("demo", "yolov3-slim.cfg", SERPETTE_DEMO);
  o.cfg = network / "yolov3-slim.cfg";
  o.weights = network / "yolov3-slim.weights";
  if (greyscale && o.color_weights.empty())
    o.color_weights = {"greyscale=" + (network / "yolov3-slim-greyscale.weights").string()};
}

/// Drawn scenes in --out, drawn if they are not there.
inline void use_drawn_scenes(ExperimentOptions& o, const DrawnData& data) {
  const auto folder = o.out / "scenes";
  {
    const FileLock lock(o.out / ".lock-scenes");  // shards may start at once
    data.write(folder);
  }
  o.images = folder / "train" / "images";
  o.annotations = folder / "train" / "instances.json";
  o.test_images = folder / "test" / "images";
  o.test_annotations = folder / "test" / "instances.json";
}

}  // namespace serpette::cli
