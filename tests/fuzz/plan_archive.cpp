#include "serpette/deploy/plan_archive.hpp"

#include <cstdlib>
#include <memory>
#include <string>

#include "fuzz/fuzz.hpp"
#include "serpette/formats/darknet/cfg.hpp"

// A plan file behind its header: a cfg, then values, texts and arrays, here as the bytes themselves
// say which. What is read lies inside.
SERPETTE_FUZZ_TARGET(plan_archive) {
  using namespace serpette;
  using namespace serpette::deploy;
  const auto owner = std::make_shared<const std::string>(test::text(data, size));
  const auto bytes = std::as_bytes(std::span(*owner));
  const auto inside = [&](const auto& array) {
    const auto values = std::as_bytes(array.values());
    double sum = 0;
    for (const auto b : values) sum += std::to_integer<int>(b);  // readable to its end
    if (values.size() > size || sum < 0) std::abort();
  };
  test::accept_or_refuse([&] {
    PlanReader reader(owner, bytes, 0, "plan");
    parse_cfg(reader.text(), "plan");
    reader.finish();
  });
  return test::accept_or_refuse([&] {
    PlanReader reader(owner, bytes, 0, "plan");
    for (;;) switch (reader.value<std::uint8_t>() % 4) {
        case 0:
          (void)reader.value<std::uint64_t>();
          break;
        case 1:
          (void)reader.text();
          break;
        case 2:
          inside(reader.array<float>());
          break;
        default:
          inside(reader.array<float>(reader.value<std::uint16_t>()));
      }
  });
}
