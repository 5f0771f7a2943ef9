#include "serpette/io/yolo_labels.hpp"

#include "fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return serpette::test::accept_or_refuse(
      [&] { serpette::read_yolo_labels(serpette::test::input_file(data, size, "a.txt")); });
}
