#include "serpette/study/configuration.hpp"

#include <cstdlib>

#include "fuzz/fuzz.hpp"

// Any text is a configuration, if another one; as text it is the same again.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using serpette::Configuration;
  const auto read = Configuration::parse(serpette::test::text(data, size));
  const auto again = Configuration::parse(read.text());
  if (again.training != read.training || again.measuring != read.measuring ||
      again.machines != read.machines || !differences(again.training, read.training).empty())
    std::abort();
  return 0;
}
