#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <utility>

#include "serpette/color/greyscale_rec601.hpp"
#include "serpette/core/coco.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/data/coco_folder.hpp"
#include "serpette/deploy/calibration.hpp"
#include "serpette/deploy/quantization.hpp"
#include "serpette/detector/yolov3.hpp"

namespace serpette::cli {

/// The ranges that a plan in int8 needs, from at most 64 of some pictures, spread over all of them.
/// @param folder     that the pictures' names are relative to.
/// @param greyscale  whether the network sees in grey.
/// @throws Error  if they cannot be read.
inline deploy::Ranges calibrate(const Yolov3& detector, Instances pictures,
                                const std::filesystem::path& folder, bool greyscale) {
  constexpr std::int64_t kEnough = 64;
  const auto& in = detector.graph().input;
  const CocoFolder data(std::move(pictures), folder,
                        {.width = in.width, .height = in.height, .cache_bytes = 0});
  deploy::Calibration calibration(detector);
  const auto count = std::min(kEnough, data.size());
  for (std::int64_t i = 0; i < count; ++i) {
    const auto images = data.batch(std::array{i * data.size() / count}).images;
    const GreyscaleRec601 grey;
    if (images.size(0) > 0)  // not damaged
      calibration.observe(greyscale ? grey.expand(grey.encode(images)) : images);
  }
  return calibration.ranges();
}

}  // namespace serpette::cli
