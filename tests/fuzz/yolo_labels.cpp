#include "serpette/io/yolo_labels.hpp"

#include "fuzz/fuzz.hpp"

SERPETTE_FUZZ_TARGET(yolo_labels) {
  return serpette::test::accept_or_refuse(
      [&] { serpette::read_yolo_labels(serpette::test::input_file(data, size, "a.txt")); });
}
