#include "serpette/deploy/plan_file.hpp"

#include <cstring>
#include <string>

#include "fuzz/fuzz.hpp"
#include "serpette/deploy/execution.hpp"
#include "serpette/deploy/our_forms.hpp"

// A plan file behind its header, which is made to fit: network, names, forms and prepared weights.
SERPETTE_FUZZ_TARGET(plan) {
  using namespace serpette;
  using namespace serpette::deploy;
  deploy::detail::PlanHeader header;
  deploy::detail::PlanHeader::kMagic.copy(header.magic, sizeof header.magic);
  const auto cpu = cpu_kind();
  cpu.copy(header.cpu, sizeof header.cpu - 1);
  header.bytes = sizeof header + size;
  header.checksum = checksum(std::as_bytes(std::span(data, size)));
  std::string file(sizeof header, '\0');
  std::memcpy(file.data(), &header, sizeof header);
  file += test::text(data, size);
  return test::accept_or_refuse([&] {
    (void)load_plan<OurExecution>(test::input_file(
        reinterpret_cast<const std::uint8_t*>(file.data()), file.size(), "network.plan"));
  });
}
