#include "serpette/metric/worst_case.hpp"

#include "support/catch.hpp"

using namespace serpette;

namespace {

const Box kLeft{0, 0, 10, 10}, kRight{20, 0, 10, 10}, kFar{40, 40, 4, 4};

CocoAnnotation box_of(std::int64_t image, int category, const Box& box, bool crowd = false) {
  return {1, image, category, box, box.area(), crowd};
}
Detection sees(std::int64_t image, int category, double score, const Box& box) {
  return {image, category, score, box};
}

}  // namespace

TEST_CASE("an image's result counts true boxes that are found, and boxes for nothing",
          "[metric][worst_case]") {
  const std::vector truth{box_of(1, 0, kLeft), box_of(1, 1, kRight)};
  const auto result = [&](std::vector<Detection> detections) {
    return result_of_image(truth, detections);
  };
  CHECK(result({}) == ImageResult{0, 0});
  CHECK(result({sees(1, 0, 0.9, kLeft), sees(1, 1, 0.8, kRight)}) == ImageResult{2, 0});
  CHECK(result({sees(1, 0, 0.5, kLeft)}) == ImageResult{0, 0});   // not sure enough
  CHECK(result({sees(1, 1, 0.9, kLeft)}) == ImageResult{0, -1});  // wrong class
  CHECK(result({sees(1, 0, 0.9, kLeft), sees(1, 0, 0.8, kLeft)}) == ImageResult{1, -1});  // twice
  CHECK(result({sees(1, 0, 0.9, {0, 0, 10, 5})}) == ImageResult{1, 0});                   // IoU 0.5
  CHECK(result({sees(1, 0, 0.9, {0, 0, 10, 4.9})}) == ImageResult{0, -1});
  const std::vector crowd{box_of(1, 0, kLeft, true)};
  CHECK(result_of_image(crowd, std::vector{sees(1, 0, 0.9, kLeft)}) == ImageResult{0, 0});
  // Of a crowd the part of the detection counts, as in COCO's evaluation.
  CHECK(result_of_image(crowd, std::vector{sees(1, 0, 0.9, {1, 1, 2, 2})}) == ImageResult{0, 0});
  CHECK(result_of_image(crowd, std::vector{sees(1, 0, 0.9, {8, 0, 4, 4})}) == ImageResult{0, 0});
  CHECK(result_of_image(crowd, std::vector{sees(1, 0, 0.9, {8, 0, 5, 4})}) == ImageResult{0, -1});
  CHECK(result_of_image(crowd, std::vector{sees(1, 1, 0.9, {1, 1, 2, 2})}) == ImageResult{0, -1});
  CHECK(ImageResult{0, 0} < ImageResult{1, -5});
  CHECK(ImageResult{1, -2} < ImageResult{1, -1});
}

TEST_CASE("the worst case takes each image under its own worst attack", "[metric][worst_case]") {
  Instances truth{{{1, "", 50, 50}, {2, "", 50, 50}, {3, "", 50, 50}},
                  {box_of(1, 0, kLeft), box_of(2, 0, kRight), box_of(3, 0, kLeft)},
                  {{1, "a"}}};
  const std::vector<std::vector<Detection>> suites{
      {sees(1, 0, 0.9, kLeft), sees(2, 0, 0.9, kRight), sees(3, 0, 0.9, kLeft)},
      {sees(2, 0, 0.9, kRight), sees(2, 0, 0.8, kFar), sees(3, 0, 0.9, kLeft)},  // 1 is lost
      {sees(1, 0, 0.9, kLeft), sees(3, 0, 0.7, kLeft)}};                         // 2 is lost
  const auto worst = worst_attack_of_images(truth, suites);
  CHECK(worst == std::map<std::int64_t, std::size_t>{{1, 1}, {2, 2}, {3, 0}});
  const auto chosen = worst_detections(worst, suites);
  CHECK(chosen == std::vector{sees(3, 0, 0.9, kLeft)});
  CHECK_THROWS_AS(worst_attack_of_images(truth, {}), Error);
}
