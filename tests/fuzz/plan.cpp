#include "serpette/deploy/plan_file.hpp"

#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "fuzz/fuzz.hpp"
#include "serpette/deploy/execution.hpp"
#include "serpette/deploy/map.hpp"
#include "serpette/deploy/our_forms.hpp"
#include "serpette/graph/footprint.hpp"

// A plan file behind its header, which is made to fit: network, names, forms and prepared weights.
// A plan that is accepted computes an image, unless that would take long.
SERPETTE_FUZZ_TARGET(plan) {
  using namespace serpette;
  using namespace serpette::deploy;
  deploy::detail::PlanHeader header;
  deploy::detail::PlanHeader::kMagic.copy(header.magic, sizeof header.magic);
  const auto cpu = cpu_kind();
  cpu.copy(header.cpu, sizeof header.cpu - 1);
  header.bytes = sizeof header + size;
  header.checksum = checksum(std::as_bytes(std::span(data, size)));
  const auto file = std::make_shared<std::string>(sizeof header, '\0');
  std::memcpy(file->data(), &header, sizeof header);
  *file += test::text(data, size);
  return test::accept_or_refuse([&] {
    auto plan = read_plan<OurExecution>(file, std::as_bytes(std::span(*file)), "network.plan");
    const auto& graph = plan.graph();
    if (map_numbers(graph) > 1 << 16 || macs(graph) > 1 << 24) return;
    const std::vector<float> image(
        static_cast<std::size_t>(ConstMap{nullptr, graph.input}.numbers()), 0.5F);
    plan.run(image.data(), [](std::size_t, const ConstMap&) {});
  });
}
