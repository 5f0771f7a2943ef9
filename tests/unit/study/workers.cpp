#include "serpette/study/workers.hpp"

#include <atomic>
#include <cstdlib>
#include <stdexcept>

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

TEST_CASE("what a worker throws comes out once, and leaves nobody waiting", "[study][workers]") {
  const int before = at::get_num_threads();
  for (const int count : {0, 1, 3}) {
    Turnstile turnstile;
    std::atomic<std::size_t> begun = 0;
    CHECK_THROWS_AS(in_parallel({count, before + 1}, 1'000'000, turnstile,
                                [&](std::size_t i) {
                                  ++begun;
                                  turnstile.pass();
                                  if (i >= 10) throw std::runtime_error("ends here");
                                }),
                    std::runtime_error);
    CHECK(begun < 1'000'000);
    CHECK(at::get_num_threads() == before);
    turnstile.enter();
    { const Turnstile::Alone alone(turnstile); }  // all others have left, or this would wait
    turnstile.leave();
  }
}
