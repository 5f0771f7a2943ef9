#include "serpette/data/drawn_scenes.hpp"

#include "support/catch.hpp"
#include "support/scratch.hpp"

#include <array>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "serpette/data/coco_folder.hpp"
#include "serpette/data/drawn_data.hpp"
#include "serpette/data/split.hpp"

using namespace serpette;
namespace fs = std::filesystem;

namespace {

std::uint64_t fingerprint(const DrawnScenes::Scene& scene) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  const auto add = [&](std::uint64_t v) { hash = (hash ^ v) * 0x100000001b3ULL; };
  for (const auto v : scene.image.rgb) add(v);
  for (const auto& o : scene.objects)
    for (const double v : {o.box.x, o.box.y, o.box.width, o.box.height, o.area})
      add(static_cast<std::uint64_t>(v * 256));
  return hash;
}

std::map<std::string, std::string> files(const fs::path& folder) {
  std::map<std::string, std::string> found;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file())
      found[fs::relative(entry.path(), folder).string()] = read_file(entry.path());
  return found;
}

}  // namespace

TEST_CASE("equal seeds draw equal scenes on every machine", "[data][drawn_scenes]") {
  // Pixels and boxes of three scenes as first drawn; a change here is a change of everybody's data
  // set.
  CHECK(fingerprint(DrawnScenes{}.draw(Seed(1))) == 0x5caa36a6ed1c72f4);
  CHECK(fingerprint(DrawnScenes{}.draw(Seed(2))) == 0x57cb1400871e56f3);
  CHECK(fingerprint(DrawnScenes{.width = 200, .height = 150}.draw(Seed(3))) == 0xbacb3346fc6ab26d);
}

TEST_CASE("boxes lie in the picture, sizes in their range, and every class occurs",
          "[data][drawn_scenes]") {
  const DrawnScenes settings;
  std::map<int, int> counts;
  double smallest = 1, largest = 0;
  int crowded = 0;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const auto scene = settings.draw(Seed(seed));
    const int side = std::min(scene.image.width, scene.image.height);
    CHECK(scene.objects.size() <= 6);
    for (const auto& o : scene.objects) {
      ++counts[o.category];
      CHECK((o.box.x >= 0 && o.box.y >= 0 && o.box.x + o.box.width <= scene.image.width &&
             o.box.y + o.box.height <= scene.image.height));
      CHECK((o.area > 0 && o.area <= o.box.area() + 2 * (o.box.width + o.box.height)));
      const double size = std::max(o.box.width, o.box.height) / side;
      smallest = std::min(smallest, size);
      largest = std::max(largest, size);
      for (const auto& p : scene.objects) crowded += &p != &o && iou(p.box, o.box) > 0;
    }
  }
  CHECK(counts.size() == DrawnScenes::kNames.size());
  for (const auto& [category, count] : counts) CHECK(count > 60);
  CHECK(smallest >= 0.03);  // 5 %, of which a quarter may be out of the picture
  CHECK(smallest < 0.08);
  CHECK(largest <= 0.605);
  CHECK(largest > 0.5);
  CHECK(crowded > 100);  // objects do overlap
}

TEST_CASE("two pairs of classes differ in colour and not in luma", "[data][drawn_scenes]") {
  // The middle of each object as drawn, without noise.
  DrawnScenes settings{.most_objects = 1, .least_size = 25, .noise = 0, .clutter = 0};
  struct Sum {
    double luma = 0, squares = 0, red = 0, blue = 0;
    int count = 0;
  };
  std::array<Sum, 4> sums;
  for (std::uint64_t seed = 0; seed < 6000; ++seed) {
    const auto scene = settings.draw(Seed(seed));
    for (const auto& o : scene.objects)
      if (o.category < 4) {
        const auto* p = scene.image.at(static_cast<int>(o.box.x + o.box.width / 2),
                                       static_cast<int>(o.box.y + o.box.height / 2));
        const double luma = 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2];
        auto& sum = sums[static_cast<std::size_t>(o.category)];
        sum.luma += luma;
        sum.squares += luma * luma;
        sum.red += p[0] - p[1];
        sum.blue += p[2] - p[0];
        ++sum.count;
      }
  }
  for (const std::size_t a : {0U, 2U}) {
    const Sum &x = sums[a], &y = sums[a + 1];
    REQUIRE((x.count > 500 && y.count > 500));
    const double mx = x.luma / x.count, my = y.luma / y.count;
    const double sx = std::sqrt(x.squares / x.count - mx * mx),
                 sy = std::sqrt(y.squares / y.count - my * my);
    CHECK(std::abs(mx - my) < 0.15 * sx);
    CHECK(std::abs(sx - sy) < 0.15 * sx);
  }
  CHECK(sums[0].red / sums[0].count > 50);
  CHECK(sums[1].red / sums[1].count < -30);
  CHECK(sums[2].blue / sums[2].count > 50);
  CHECK(sums[3].blue / sums[3].count < -50);
}

TEST_CASE("settings out of range are refused", "[data][drawn_scenes]") {
  CHECK_THROWS_AS(DrawnScenes{.width = 64}.draw(Seed(0)), Error);
  CHECK_THROWS_AS(DrawnScenes{.most_objects = 0}.draw(Seed(0)), Error);
  CHECK_THROWS_AS((DrawnScenes{.least_size = 50, .most_size = 20}.draw(Seed(0))), Error);
  CHECK_THROWS_AS(DrawnScenes{.noise = -1}.draw(Seed(0)), Error);
  CHECK_THROWS_AS(DrawnScenes{.clutter = 1000}.draw(Seed(0)), Error);
}

TEST_CASE("a written data set is COCO, and the same for any number of threads",
          "[data][drawn_data]") {
  const test::Scratch folder;
  const DrawnData data{.train = 12, .test = 5, .seed = 3};
  CHECK(data.write(folder / "a", 1));
  CHECK(data.write(folder / "b", 4));
  CHECK(files(folder / "a") == files(folder / "b"));
  CHECK(files(folder / "a").size() == 12 + 5 + 3);

  const auto train = load_instances(folder / "a/train/instances.json"),
             test = load_instances(folder / "a/test/instances.json");
  require_disjoint(train, test);
  CHECK(train.categories.size() == 8);
  const CocoFolder opened(train, folder / "a/train/images",
                          {.width = 128, .height = 128, .strict = true});
  std::vector<std::int64_t> all(12);
  std::iota(all.begin(), all.end(), 0);
  const auto batch = opened.batch(all);
  CHECK(batch.size() == 12);
  CHECK(batch.truth.size(0) == std::ssize(train.annotations));
}

TEST_CASE("the test part is its own stream", "[data][drawn_data]") {
  const test::Scratch folder;
  DrawnData{.train = 2, .test = 4, .seed = 3}.write(folder / "a");
  DrawnData{.train = 7, .test = 4, .seed = 3}.write(folder / "b");
  DrawnData{.train = 2, .test = 4, .seed = 4}.write(folder / "c");
  CHECK(files(folder / "a/test") == files(folder / "b/test"));
  CHECK(files(folder / "a/test") != files(folder / "c/test"));
  // No training picture is a test picture.
  std::set<std::string> pictures;
  for (const auto& [name, bytes] : files(folder / "b/test/images")) pictures.insert(bytes);
  for (const auto& [name, bytes] : files(folder / "b/train/images"))
    CHECK(pictures.insert(bytes).second);
}

TEST_CASE("a folder with anything else is left alone", "[data][drawn_data]") {
  const test::Scratch folder;
  DrawnData data{.train = 2, .test = 1, .jpeg_quality = 0};
  CHECK(data.write(folder / "a"));
  const auto before = files(folder / "a");
  CHECK(before.contains("train/images/000001.png"));
  CHECK_FALSE(data.write(folder / "a"));
  data.train = 3;
  CHECK_THROWS_AS(data.write(folder / "a"), Error);
  CHECK(files(folder / "a") == before);
  write_file(folder / "b/letter.txt", std::string_view("mine"));
  CHECK_THROWS_AS(data.write(folder / "b"), Error);
  CHECK(files(folder / "b").size() == 1);
  // A run that was killed goes on.
  data.train = 2;
  fs::remove(folder / "a/test/instances.json");
  CHECK(data.write(folder / "a"));
  CHECK(files(folder / "a") == before);
}
