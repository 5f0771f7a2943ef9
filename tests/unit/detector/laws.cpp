#include "serpette/detector/yolov3.hpp"
#include "serpette/laws/detector.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"
#include "support/tiny_detector.hpp"

using namespace serpette;

TEST_CASE("detectors hold the laws of their concept", "[detector][law]") {
  const test::Scratch folder;
  const auto graph = GENERATE(test::tiny_graph(), test::all_kinds());
  const auto batch = test::tiny_batch(graph, 3);
  laws::detector(test::TinyDetector(graph, Seed(3)), batch, folder.path());
  laws::detector(Yolov3(graph, Seed(3)), batch, folder.path());
}
