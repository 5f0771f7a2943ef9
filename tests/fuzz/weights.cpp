#include "serpette/formats/darknet/weights_file.hpp"

#include <cstdlib>

#include "fuzz/fuzz.hpp"
#include "serpette/formats/darknet/cfg.hpp"

SERPETTE_FUZZ_TARGET(weights) {
  static const auto graph = serpette::parse_cfg(
      "[net]\nwidth=8\nheight=8\n[convolutional]\nbatch_normalize=1\nfilters=2\nactivation=leaky\n"
      "[convolutional]\nfilters=7\nactivation=linear\n[yolo]\nmask=0\nanchors=4,4\nclasses=2\n",
      "graph");
  const auto bytes = std::as_bytes(std::span(data, size));
  for (const auto cutoff : {std::optional<int>(), std::optional(1)})
    serpette::test::accept_or_refuse([&] {
      const auto file = serpette::parse_weights(bytes, graph, "input", cutoff);
      for (const auto& block : file.blocks)  // what is accepted lies inside
        if (block.offset + block.floats * sizeof(float) > size) std::abort();
    });
  return 0;
}
