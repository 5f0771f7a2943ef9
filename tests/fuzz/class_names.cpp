#include "serpette/io/class_names.hpp"

#include <cstdlib>

#include "fuzz/fuzz.hpp"

// Names of classes; what is written of them is read as it was.
SERPETTE_FUZZ_TARGET(class_names) {
  using namespace serpette;
  return test::accept_or_refuse([&] {
    const auto file = test::input_file(data, size, "own.names");
    const auto names = load_class_names(file);
    std::vector<CocoCategory> classes;
    for (const auto& name : names) classes.push_back({std::ssize(classes) + 1, name});
    const auto again = file.parent_path() / "again.names";
    std::filesystem::remove(again);
    write_class_names(again, classes);
    if (std::filesystem::exists(again) && load_class_names(again) != names) std::abort();
  });
}
