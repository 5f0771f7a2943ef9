#include "serpette/study/workers.hpp"

#include <cstdlib>

#include "support/catch.hpp"

using namespace serpette;
using Catch::Matchers::EndsWith;
using Catch::Matchers::StartsWith;

TEST_CASE("the kind of a machine says what its sums depend on", "[study][workers]") {
  ::unsetenv("ONEDNN_MAX_CPU_ISA");
  const auto free = machine_kind(at::kCPU, {.count = 2, .threads = 1});
  CHECK_THAT(free, StartsWith(at::get_cpu_capability() + " ("));
  CHECK_THAT(free, EndsWith("), 1 thread a cell"));
  CHECK_THAT(machine_kind(at::kCPU, {.count = 1, .threads = 2}), EndsWith(", 2 threads a cell"));
  // oneDNN held to older instructions gives other sums on the same machine.
  ::setenv("ONEDNN_MAX_CPU_ISA", "AVX2", 1);
  CHECK(machine_kind(at::kCPU, {.count = 2, .threads = 1}) == free + ", ONEDNN_MAX_CPU_ISA=AVX2");
  ::setenv("ONEDNN_MAX_CPU_ISA", "", 1);
  CHECK(machine_kind(at::kCPU, {.count = 2, .threads = 1}) == free);
  ::unsetenv("ONEDNN_MAX_CPU_ISA");
}
