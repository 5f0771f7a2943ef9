#include "serpette/detector/decode.hpp"

#include "support/catch.hpp"
#include "support/golden_heads.hpp"

using namespace serpette;
using Golden = test::GoldenHeads;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;

TEST_CASE("decoding equals a plain loop over predictions, thresholds and suppression",
          "[model][decode][golden]") {
  Golden golden;
  const auto& g = golden.json["geometry"];
  const Letterbox geometry{g["width"],     g["height"],     64,        96,
                           g["new_width"], g["new_height"], g["left"], g["top"]};
  CHECK((geometry == Letterbox::fit(50, 200, 64, 96)));
  const ImageBatch batch{
      at::zeros({3, 3, 96, 64}), golden.truth, {7, 8, 9}, {geometry, geometry, geometry}};
  const bool channels_last = GENERATE(false, true);
  auto heads = golden.heads;
  for (auto& head : heads) {
    head = head.to(at::kFloat);
    if (channels_last) head = head.contiguous(at::MemoryFormat::ChannelsLast);
  }
  for (const auto& setting : golden.json["detections"]) {
    const DecodeOptions options{setting["confidence"], setting["nms"], setting["limit"]};
    const auto found = decode(golden.graph, heads, batch, options);
    REQUIRE(found.size() == 3);
    for (std::size_t n = 0; n < 3; ++n) {
      const auto& wanted = setting["images"][n];
      REQUIRE(found[n].size() == wanted.size());
      for (std::size_t k = 0; k < wanted.size(); ++k) {
        const auto& d = found[n][k];
        CHECK(d.image_id == static_cast<std::int64_t>(7 + n));
        CHECK(d.category == wanted[k][0]);
        CHECK(std::abs(d.score - wanted[k][1].get<double>()) < 1e-12);
        CHECK(std::abs(d.box.x - wanted[k][2].get<double>()) < 1e-9);
        CHECK(std::abs(d.box.y - wanted[k][3].get<double>()) < 1e-9);
        CHECK(std::abs(d.box.width - wanted[k][4].get<double>()) < 1e-9);
        CHECK(std::abs(d.box.height - wanted[k][5].get<double>()) < 1e-9);
      }
    }
  }
  // Both profiles from one decode.
  const auto low = decode(golden.graph, heads, batch, {.confidence = 0.05, .nms = 0.45});
  const auto high = decode(golden.graph, heads, batch, {.confidence = 0.3, .nms = 0.45});
  for (std::size_t n = 0; n < 3; ++n) {
    auto cut = low[n];
    std::erase_if(cut, [](const Detection& d) { return !(d.score > 0.3); });
    CHECK(!cut.empty());
    CHECK((cut == high[n]));
  }
}

TEST_CASE("a network that diverged or fires everywhere still decodes", "[model][decode]") {
  Golden golden;
  const auto geometry = Letterbox::fit(64, 96, 64, 96);
  const ImageBatch batch{at::zeros({1, 3, 96, 64}), at::zeros({0, 6}), {1}, {geometry}};
  const std::vector<at::Tensor> nan{at::full({1, 16, 6, 4}, NAN), at::full({1, 16, 12, 8}, NAN)};
  CHECK(decode(golden.graph, nan, batch)[0].empty());
  const std::vector<at::Tensor> huge{at::full({1, 16, 6, 4}, 1e4F), at::full({1, 16, 12, 8}, 1e4F)};
  const auto found = decode(golden.graph, huge, batch);
  CHECK_FALSE(found[0].empty());
  for (const auto& d : found[0]) CHECK((d.box == Box{0, 0, 64, 96}));
  const std::vector<at::Tensor> flat{at::zeros({1, 16, 6, 4}), at::zeros({1, 16, 12, 8})};
  CHECK(decode(golden.graph, flat, batch)[0].size() == 100);
  CHECK_THROWS_MATCHES(decode(golden.graph, {flat[0]}, batch), Error,
                       MessageMatches(ContainsSubstring("heads: should be 2")));
  CHECK_THROWS_MATCHES(decode(golden.graph, {flat[1], flat[0]}, batch), Error,
                       MessageMatches(ContainsSubstring("heads: shape should be")));
}
