#include "serpette/io/detections.hpp"

#include "fuzz/fuzz.hpp"

SERPETTE_FUZZ_TARGET(detections) {
  serpette::Instances instances;
  instances.images = {{1, "a.jpg", 64, 48}, {42, "b.jpg", 48, 64}};
  instances.categories = {{1, "person"}, {18, "dog"}};
  for (const char* name : {"detections.csv", "detections.json"})
    serpette::test::accept_or_refuse([&] {
      serpette::read_detections(serpette::test::input_file(data, size, name), instances);
    });
  return 0;
}
