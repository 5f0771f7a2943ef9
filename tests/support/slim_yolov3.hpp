#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <string>
#include <vector>

#include "serpette/formats/darknet/cfg.hpp"

namespace serpette::test {

/// A YOLOv3 of a few channels: residual stages, three heads on routes and upsampling.
/// @param channels  of the image.
inline Graph slim_yolov3(int channels = 3) {
  std::string text = fmt::format("[net]\nwidth=64\nheight=64\nchannels={}\n", channels);
  const auto add = [&](int filters, int size, int stride) {
    text += fmt::format(
        "[convolutional]\nbatch_normalize=1\nfilters={}\nsize={}\nstride={}\npad=1\nactivation="
        "leaky\n",
        filters, size, stride);
  };
  const auto head = [&](int mask) {
    text += fmt::format(
        "[convolutional]\nfilters=7\nsize=1\nstride=1\npad=1\nactivation=linear\n[yolo]\nmask={}\n"
        "anchors=4,4, 8,8, 16,16\nclasses=2\nnum=3\n",
        mask);
  };
  add(8, 3, 1);
  std::vector<int> stage_end;
  int layers = 1;
  for (const int repeats : {1, 2, 2, 2, 1}) {
    const int filters = 8 << (stage_end.size() + 1) / 2;
    add(filters, 3, 2);
    for (int r = 0; r < repeats; ++r) {
      add(filters / 2, 1, 1);
      add(filters, 3, 1);
      text += "[shortcut]\nfrom=-3\nactivation=linear\n";
    }
    layers += 1 + 3 * repeats;
    stage_end.push_back(layers - 1);
  }
  add(16, 1, 1), add(24, 3, 1), head(2);
  for (const int stage : {3, 2}) {
    text += "[route]\nlayers=-4\n";
    add(8, 1, 1);
    text +=
        fmt::format("[upsample]\nstride=2\n[route]\nlayers=-1,{}\n", stage_end[std::size_t(stage)]);
    add(12, 1, 1), add(16, 3, 1), head(stage - 2);
  }
  return parse_cfg(text, "slim");
}

}  // namespace serpette::test
