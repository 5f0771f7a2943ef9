#include "serpette/formats/darknet/cfg.hpp"

#include <cstdlib>

#include "fuzz/fuzz.hpp"

SERPETTE_FUZZ_TARGET(cfg) {
  return serpette::test::accept_or_refuse([&] {
    const auto graph = serpette::parse_cfg(serpette::test::text(data, size), "input");
    const auto again =
        serpette::parse_cfg(serpette::write_cfg(graph), "written");  // must be accepted
    if (again.size() != graph.size()) std::abort();
    for (int i = 0; i < graph.size(); ++i)
      if (again[i].output != graph[i].output || again[i].inputs != graph[i].inputs) std::abort();
  });
}
