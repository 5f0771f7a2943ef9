#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

#include "serpette/core/seed.hpp"
#include "serpette/formats/darknet/cfg.hpp"

namespace serpette::test {

/// A network of random layers: every kind, routes whole and in parts, shortcuts over several
/// layers, grouped and depthwise convolutions, odd sizes, one or two heads.
inline Graph random_graph(Seed seed) {
  Generator rng(seed);
  const auto pick = [&](auto... values) {
    const std::vector<int> list{values...};
    return list[rng.below(list.size())];
  };
  std::string text =
      fmt::format("[net]\nwidth={}\nheight={}\nchannels=3\n", pick(16, 21, 32), pick(16, 24, 19));
  const auto graph = [&] { return parse_cfg(text, "random"); };
  const auto conv = [&](int filters, int size, int stride, int groups, std::string activation) {
    text += fmt::format(
        "[convolutional]\n{}filters={}\nsize={}\nstride={}\npad=1\ngroups={}\nactivation={}\n",
        rng.below(4) ? "batch_normalize=1\n" : "", filters, size, stride, groups, activation);
  };
  const std::vector<std::string> kinds{"relu", "linear", "mish", "swish"};
  conv(8, 3, 1, 1, "leaky");
  const int layers = 6 + static_cast<int>(rng.below(14));
  const auto head = [&] {
    text +=
        "[convolutional]\nfilters=7\nsize=1\nstride=1\npad=1\nactivation=linear\n"
        "[yolo]\nmask=0\nanchors=10,14\nclasses=2\nnum=1\n";
  };
  for (int i = 0; i < layers; ++i) {
    const Graph now = graph();
    const Shape shape = now.layers.back().output;
    std::vector<int> same_shape, same_size;
    for (int l = 0; l + 1 < now.size(); ++l) {
      if (now[l].as<Yolo>()) continue;
      if (now.shape(l) == shape) same_shape.push_back(l);
      if (now.shape(l).height == shape.height && now.shape(l).width == shape.width)
        same_size.push_back(l);
    }
    switch (rng.below(9)) {
      case 0:
        conv(4 * pick(1, 2, 3), pick(1, 3), 1, 1, "leaky");
        break;
      case 1:
        conv(4 * pick(2, 3), 3, shape.height > 8 ? 2 : 1, 1, kinds[rng.below(kinds.size())]);
        break;
      case 2:
        conv(shape.channels, 3, 1, shape.channels, "leaky");
        break;  // depthwise
      case 3:
        conv(shape.channels % 2 ? 6 : 8, pick(1, 3), 1, shape.channels % 2 ? 1 : 2, "leaky");
        break;
      case 4:
      case 5:
        if (same_shape.empty() && same_size.empty()) {
          conv(8, 3, 1, 1, "leaky");
        } else {  // now and then of another width
          const auto& from = same_shape.empty() || rng.below(4) == 0 ? same_size : same_shape;
          text += fmt::format("[shortcut]\nfrom={}\nactivation={}\n",
                              from[rng.below(from.size())] - now.size(),
                              rng.below(2) ? "leaky" : "linear");
        }
        break;
      case 6:
        if (!same_size.empty() && shape.channels < 24)
          text += fmt::format("[route]\nlayers=-1,{}\n", same_size[rng.below(same_size.size())]);
        else if (shape.channels % 2 == 0)
          text += fmt::format("[route]\nlayers=-1\ngroups=2\ngroup_id={}\n", rng.below(2));
        break;
      case 7:
        if (shape.height <= 10)
          text += "[upsample]\nstride=2\n";
        else
          text += "[maxpool]\nsize=2\nstride=2\n";
        break;
      default:
        text += fmt::format("[maxpool]\nsize={}\nstride=1\n", pick(2, 3, 5));
        break;
    }
  }
  head();
  if (rng.below(2)) {
    const Graph now = graph();
    text +=
        fmt::format("[route]\nlayers={}\n", rng.below(static_cast<std::uint64_t>(now.size() - 2)));
    conv(8, 3, 1, 1, "leaky");
    head();
  }
  return graph();
}

}  // namespace serpette::test
