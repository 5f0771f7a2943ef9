#include "serpette/deploy/choices.hpp"

#include <cstdlib>

#include "fuzz/fuzz.hpp"

// The forms of a plan as text; what is read is written so that it reads as it was.
SERPETTE_FUZZ_TARGET(choices) {
  using namespace serpette::deploy;
  return serpette::test::accept_or_refuse([&] {
    const auto read = parse_choices(serpette::test::text(data, size), "input");
    std::vector<LayerChoice> choices;
    for (const auto& [layer, form] : read) choices.push_back({layer, form});
    if (parse_choices(write_choices(choices), "again") != read) std::abort();
  });
}
