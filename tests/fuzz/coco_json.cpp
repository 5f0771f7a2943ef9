#include "serpette/io/coco_json.hpp"

#include "fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return serpette::test::accept_or_refuse(
      [&] { serpette::load_instances(serpette::test::input_file(data, size, "instances.json")); });
}
