#include "serpette/core/fingerprint.hpp"

#include <cstdlib>
#include <string>

#include "fuzz/fuzz.hpp"

// How stages and checkpoints are told from damaged ones before LibTorch reads them: what was sealed
// comes back, and what was cut or changed since does not.
SERPETTE_FUZZ_TARGET(checkpoint) {
  using namespace serpette;
  const std::string bytes(test::text(data, size));
  if (const auto inside = unsealed(bytes); inside && sealed(*inside) != bytes) std::abort();
  auto kept = sealed(bytes);
  if (unsealed(kept) != bytes) std::abort();
  if (size > 0) kept[data[0] % size] ^= 1;
  if (size > 0 && unsealed(kept)) std::abort();
  kept.pop_back();
  if (unsealed(kept)) std::abort();
  return 0;
}
