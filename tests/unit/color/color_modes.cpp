#include "serpette/color/greyscale_rec601.hpp"
#include "serpette/color/rgb.hpp"

#include "serpette/laws/color_mode.hpp"
#include "serpette/torch/nn.hpp"
#include "support/catch.hpp"

TEMPLATE_TEST_CASE("every colour mode holds the laws", "[color][law]", serpette::Rgb,
                   serpette::GreyscaleRec601) {
  serpette::laws::color_mode(TestType{});
  serpette::laws::color_mode_is_idempotent(TestType{});
  serpette::laws::color_mode_keeps_greys(TestType{});
}

TEST_CASE("greyscale weighs red, green and blue as Rec. 601", "[color]") {
  const serpette::GreyscaleRec601 grey;
  const auto primaries = torch::eye(3).view({3, 3, 1, 1});  // a red, a green and a blue pixel
  const auto y = grey.encode(primaries).flatten();
  CHECK(torch::allclose(y, torch::tensor({0.299F, 0.587F, 0.114F})));
  const auto out = grey.expand(grey.encode(torch::rand({2, 3, 4, 4})));
  CHECK(out.select(1, 0).equal(out.select(1, 1)));
  CHECK(out.select(1, 0).equal(out.select(1, 2)));
}

TEST_CASE("greyscale passes gradients to the one grey channel", "[color]") {
  const auto y = torch::rand({1, 1, 2, 2}).set_requires_grad(true);
  serpette::GreyscaleRec601{}.expand(y).sum().backward();
  CHECK(y.grad().equal(torch::full({1, 1, 2, 2}, 3.0)));
}

TEST_CASE("greyscale refuses images that are not RGB", "[color]") {
  CHECK_THROWS_AS(serpette::GreyscaleRec601{}.encode(torch::rand({1, 1, 2, 2})), serpette::Error);
}
