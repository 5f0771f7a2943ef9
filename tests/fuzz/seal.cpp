#include "serpette/study/seal.hpp"

#include <cstdlib>

#include "fuzz/fuzz.hpp"

// A seal as it is, which counts as none; and with its checksum: then it is written as it was read.
SERPETTE_FUZZ_TARGET(seal) {
  using namespace serpette;
  test::accept_or_refuse([&] { Seal::read(test::input_file(data, size, "trained.txt")); });
  const std::string lines(test::text(data, size));
  const auto sealed = fmt::format("{}checksum: {}\n", lines, fingerprint(lines));
  return test::accept_or_refuse([&] {
    const auto file = test::input_file(reinterpret_cast<const std::uint8_t*>(sealed.data()),
                                       sealed.size(), "trained.txt");
    const auto seal = Seal::read(file);
    if (!seal) return;
    (void)seal->holds(file.parent_path() / "network.weights");
    seal->write(file.parent_path() / "again.txt");
    if (read_file(file.parent_path() / "again.txt") != sealed) std::abort();
    (void)seal->number<std::int64_t>("seconds");
  });
}
