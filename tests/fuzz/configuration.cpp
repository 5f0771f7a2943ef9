#include "serpette/study/configuration.hpp"

#include <cstdlib>

#include "fuzz/fuzz.hpp"

// Any text is a configuration, if another one; as text it is the same again.
SERPETTE_FUZZ_TARGET(configuration) {
  using serpette::Configuration;
  const auto read = Configuration::parse(serpette::test::text(data, size));
  const auto again = Configuration::parse(read.text());
  if (again.training != read.training || again.measuring != read.measuring ||
      again.machines != read.machines)
    std::abort();
  (void)differences(read.training, read.measuring);
  return 0;
}
