#include "serpette/io/coco_json.hpp"

#include "fuzz/fuzz.hpp"

SERPETTE_FUZZ_TARGET(coco_json) {
  return serpette::test::accept_or_refuse(
      [&] { serpette::load_instances(serpette::test::input_file(data, size, "instances.json")); });
}
