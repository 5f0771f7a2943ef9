#include "serpette/io/load_annotations.hpp"

#include "fuzz/fuzz.hpp"

// What names pictures and classes. The pictures named are not there, or are this machine's files.
SERPETTE_FUZZ_TARGET(yolo_sets) {
  for (const char* name : {"a.data", "a.yaml", "a.txt"})
    serpette::test::accept_or_refuse(
        [&] { serpette::load_annotations(serpette::test::input_file(data, size, name)); });
  return 0;
}
