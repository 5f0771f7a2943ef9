#include "serpette/data/coco_folder.hpp"

#include "support/catch.hpp"
#include "support/scratch.hpp"

#include <fstream>
#include <set>
#include <string>
#include <thread>

#include "serpette/io/read_file.hpp"
#include "serpette/method/identity.hpp"

using namespace serpette;
using Catch::Matchers::ContainsSubstring;

namespace {

// Four records: pictures 1 and 2 are good, 3 is cut off; 4 is missing, and left out by open().
struct Small {
  test::Scratch folder;
  std::vector<std::string> reports;
  Instances instances{
      {{1, "1.jpg", 60, 40}, {2, "2.png", 30, 50}, {3, "3.jpg", 60, 40}, {4, "4.jpg", 60, 40}},
      {{10, 1, 1, {6, 8, 24, 20}, 480, false},
       {11, 1, 0, {0, 0, 60, 40}, 2400, true},
       {12, 2, 0, {-0.5, 10, 20.5, 40.75}, 800, false},
       {13, 3, 0, {0, 0, 10, 10}, 100, false}},
      {{1, "cat"}, {7, "dog"}}};

  Small() {
    Image image(60, 40, 200);
    write_jpeg(folder / "1.jpg", image);
    write_png(folder / "2.png", Image(30, 50, 10));
    const auto bytes = read_file(folder / "1.jpg");
    write_file(folder / "3.jpg", std::string_view(bytes).substr(0, bytes.size() / 2));
  }
  CocoFolder::Options options(bool strict = false) {
    return {.width = 32, .height = 32, .strict = strict, .report = [this](std::string_view m) {
              reports.emplace_back(m);
            }};
  }
  CocoFolder open(bool strict = false) {
    auto there = instances;
    if (there.images.size() == 4) there.images.pop_back();
    return {there, folder.path(), options(strict)};
  }
};

const std::vector<std::int64_t> kAll{0, 1, 2};

}  // namespace

TEST_CASE("a batch holds letterboxed images and their boxes as fractions of the canvas",
          "[data][coco_folder]") {
  Small small;
  const auto data = small.open();
  const std::vector<std::int64_t> indices{1, 0};
  const auto batch = data.batch(indices);
  REQUIRE(batch.images.sizes() == at::IntArrayRef{2, 3, 32, 32});
  CHECK(batch.image_ids == std::vector<std::int64_t>{2, 1});
  CHECK((batch.geometry[1] == Letterbox::fit(60, 40, 32, 32)));
  CHECK(batch.images[0].equal(read_letterboxed(small.folder / "2.png", 32, 32).image));
  // Image 2 is 19 × 32 at left 6; its box [-0.5, 10, 20.5, 40.75] is clipped to [0, 10, 20, 40].
  // Image 1 is 32 × 21 at top 5; the crowd is no truth.
  REQUIRE(batch.truth.sizes() == at::IntArrayRef{2, 6});
  const double s = 19.0 / 30, t = 32.0 / 60;
  const double expected[2][6] = {
      {0, 0, (6 + 10 * s) / 32, (30 * 32.0 / 50) / 32, 20 * s / 32, 40 * 32.0 / 50 / 32},
      {1, 1, 18 * t / 32, (5 + 18 * 21.0 / 40) / 32, 24 * t / 32, 20 * 21.0 / 40 / 32}};
  for (int row = 0; row < 2; ++row)
    for (int k = 0; k < 6; ++k)
      CHECK(batch.truth[row][k].item<double>() == Catch::Approx(expected[row][k]).epsilon(1e-6));
}

TEST_CASE("damaged images are reported once, counted and left out", "[data][coco_folder]") {
  Small small;
  const auto data = small.open();
  REQUIRE(data.size() == 3);
  CHECK(small.reports.empty());
  for (int round = 0; round < 2; ++round) {
    CHECK(data.batch(kAll).image_ids == std::vector<std::int64_t>{1, 2});
    CHECK(data.augmented(kAll, Seed(1)).image_ids == std::vector<std::int64_t>{1, 2});
    CHECK(data.load(2).size() == 0);
  }
  REQUIRE(small.reports.size() == 1);
  CHECK_THAT(small.reports[0],
             ContainsSubstring("3.jpg") && ContainsSubstring("should be a whole JPEG image"));
  CHECK(data.unreadable().size() == 1);
  // Mended, it is another data set: what was made without the picture is not taken for what is
  // made with it.
  CHECK(small.open().identity() == data.identity());
  std::filesystem::copy_file(small.folder / "1.jpg", small.folder / "3.jpg",
                             std::filesystem::copy_options::overwrite_existing);
  CHECK(small.open().identity() != data.identity());
}

TEST_CASE("a picture that is replaced by one of as many bytes makes another data set",
          "[data][coco_folder]") {
  Small small;
  const auto before = small.open().identity();
  auto bytes = read_file(small.folder / "2.png");
  bytes.back() = 'x';
  write_file(small.folder / "2.png", bytes);
  CHECK(small.open().identity() != before);
  // Of a long file the end is looked at, wherever it lies.
  write_file(small.folder / "2.png", std::string(10000, 'a'));
  const auto longer = small.open().identity();
  write_file(small.folder / "2.png", std::string(9999, 'a') + 'b');
  CHECK(small.open().identity() != longer);
}

TEST_CASE("whatever an evaluation reads of an annotation makes another data set",
          "[data][coco_folder]") {
  Small small;
  small.instances.images.pop_back();  // its file is missing
  const auto identity = [&](const auto& change) {
    auto instances = small.instances;
    change(instances.annotations.front());
    return identity_of(CocoFolder(std::move(instances), small.folder.path(), small.options()));
  };
  const std::set<std::string> all{identity([](auto&) {}), identity([](auto& a) { a.id += 100; }),
                                  identity([](auto& a) { a.area += 1; }),
                                  identity([](auto& a) { a.box.x += 1; }),
                                  identity([](auto& a) { a.is_crowd = !a.is_crowd; })};
  CHECK(all.size() == 5);
}

TEST_CASE("other training views make another data set, which says how they differ",
          "[data][coco_folder]") {
  Small small;
  small.instances.images.pop_back();  // its file is missing
  auto options = small.options();
  const auto identity = [&] {
    return identity_of(CocoFolder(small.instances, small.folder.path(), options));
  };
  const auto usual = identity();
  CHECK(usual == identity_of(small.open()));
  CHECK(usual.size() == 16);
  options.augment.upside_down = 0.5;
  options.augment.mosaic = 0;
  CHECK(identity() == usual + " (--augment-upside-down 0.5, --augment-mosaic 0)");
}

TEST_CASE("a strict folder refuses a damaged image", "[data][coco_folder]") {
  Small small;
  const auto data = small.open(true);
  CHECK_THROWS_WITH(data.batch(kAll), ContainsSubstring("3.jpg"));
  CHECK_THROWS_WITH(data.load(2), ContainsSubstring("3.jpg"));
}

TEST_CASE("a file that is gone or cannot be read stops the run, and counts as nothing else",
          "[data][coco_folder]") {
  Small small;
  auto options = small.options();
  options.cache_bytes = 0;
  small.instances.images.resize(2);
  std::erase_if(small.instances.annotations, [](const auto& a) { return a.image_id > 2; });
  const CocoFolder data(small.instances, small.folder.path(), options);
  const std::vector<std::int64_t> both{0, 1};
  REQUIRE(data.batch(both).size() == 2);
  std::filesystem::rename(small.folder / "1.jpg", small.folder / "kept");
  const auto refused = [&](const std::string& reason) {
    CHECK_THROWS_WITH(data.batch(both), ContainsSubstring("1.jpg") && ContainsSubstring(reason));
    CHECK_THROWS_WITH(data.load(0), ContainsSubstring(reason));
    CHECK_THROWS_WITH(data.augmented(both, Seed(1)), ContainsSubstring(reason));
  };
  refused("No such file");
  std::filesystem::create_symlink("/proc/self/mem", small.folder / "1.jpg");
  refused("Input/output error");
  std::filesystem::remove(small.folder / "1.jpg");
  std::filesystem::rename(small.folder / "kept", small.folder / "1.jpg");
  CHECK(data.batch(both).size() == 2);  // it passed, and left no trace
  CHECK(data.unreadable().empty());
  CHECK(small.reports.empty());
}

TEST_CASE("missing files are one message", "[data][coco_folder]") {
  Small small;
  CHECK_THROWS_WITH(
      CocoFolder(small.instances, small.folder.path(), small.options()),
      ContainsSubstring("but for 1 of them got no file: 4.jpg (nothing of that name);"));
  for (int i = 5; i < 3000; ++i)
    small.instances.images.push_back({i, fmt::format("none/{}.jpg", i), 60, 40});
  CHECK_THROWS_WITH(
      CocoFolder(small.instances, small.folder.path(), small.options()),
      ContainsSubstring("for 2996 of them got no file: 4.jpg (nothing of that name), none/5.jpg"));
}

TEST_CASE("of many damaged images the first are named", "[data][coco_folder]") {
  Small small;
  small.instances.images.resize(1);
  std::vector<std::int64_t> all{0};
  for (int i = 2; i < 40; ++i) {
    small.instances.images.push_back({i, fmt::format("{}.png", i), 60, 40});
    write_file(small.folder / fmt::format("{}.png", i), std::string_view("damaged"));
    all.push_back(i - 1);
  }
  std::erase_if(small.instances.annotations, [](const auto& a) { return a.image_id > 1; });
  const CocoFolder data(small.instances, small.folder.path(), small.options());
  CHECK(data.batch(all).size() == 1);
  CHECK(data.unreadable().size() == 38);
  REQUIRE(small.reports.size() == CocoFolder::kReports + 1);
  CHECK_THAT(small.reports.back(), ContainsSubstring("more images are damaged"));
}

TEST_CASE("boxes decide which way up a turned picture is taken", "[data][coco_folder]") {
  const auto turned = test::file("golden/images/turned.jpg");  // 21 × 13 as stored
  Instances instances{{{1, "turned.jpg", 21, 13}}, {}, {{1, "cat"}}};
  const auto size = [&] {
    const CocoFolder data(instances, std::filesystem::path(turned).parent_path(),
                          {.width = 32, .height = 32, .strict = true});
    const auto picture = data.picture(0);
    CHECK(data.load(0).images.equal(data.batch(std::vector<std::int64_t>{0}).images));
    return ImageSize{picture->width, picture->height};
  };
  CHECK(size() == ImageSize{21, 13});
  std::swap(instances.images[0].width, instances.images[0].height);
  CHECK(size() == ImageSize{13, 21});
  instances.images[0].width = instances.images[0].height = 0;  // listed without annotations
  CHECK(size() == ImageSize{13, 21});
}

TEST_CASE("loading equals the batch of one", "[data][coco_folder]") {
  Small small;
  const auto data = small.open();
  for (std::int64_t index = 0; index < 2; ++index) {
    const auto batch = data.batch({&index, 1}), loaded = data.load(index);
    CHECK(loaded.images.equal(batch.images));
    CHECK(loaded.truth.equal(batch.truth));
    CHECK((loaded.geometry == batch.geometry));
    CHECK(loaded.image_ids == batch.image_ids);
  }
}

TEST_CASE("a picture of another size than annotated is unreadable", "[data][coco_folder]") {
  Small small;
  small.instances.images[0].width = 61;
  const auto data = small.open();
  CHECK(data.batch(kAll).image_ids == std::vector<std::int64_t>{2});
  CHECK_THAT(data.unreadable().at(1),
             ContainsSubstring("should be 61 x 40 as annotated, got 60 x 40"));
}

TEST_CASE("bad annotations are refused before any work", "[data][coco_folder]") {
  Small small;
  auto& annotation = small.instances.annotations[0];
  small.instances.source = "truth.json";
  SECTION("of an unlisted image") {
    annotation.image_id = 99;
    CHECK_THROWS_WITH(small.open(),
                      ContainsSubstring("annotation 10") && ContainsSubstring("got image 99"));
  }
  SECTION("of an unknown category") {
    annotation.category = 2;
    CHECK_THROWS_WITH(
        small.open(),
        ContainsSubstring("annotation 10: category should be an index below 2, got 2"));
  }
  SECTION("outside the image") {
    annotation.box.width = 60;
    CHECK_THROWS_WITH(small.open(),
                      ContainsSubstring("truth.json: annotation 10: box should lie inside 1.jpg"));
  }
  SECTION("not a number") {
    annotation.box.x = std::nan("");
    CHECK_THROWS_AS(small.open(), Error);
  }
  SECTION("an empty split") {
    small.instances.images.clear();
    CHECK_THROWS_WITH(small.open(), ContainsSubstring("empty split"));
  }
  SECTION("one id twice") {
    small.instances.images[1].id = 1;
    CHECK_THROWS_WITH(small.open(), ContainsSubstring("2.png"));
  }
  SECTION("no such folder") {
    CHECK_THROWS_WITH(CocoFolder(small.instances, small.folder / "none", small.options()),
                      ContainsSubstring("should be a folder of images"));
  }
  SECTION("no image there") {
    std::filesystem::create_directory(small.folder / "empty");
    CHECK_THROWS_WITH(
        CocoFolder(small.instances, small.folder / "empty", small.options()),
        ContainsSubstring("should hold the 4 images of truth.json, but for 4 of them"));
    CHECK(small.reports.empty());  // one mistake, one message
  }
  SECTION("an image without a name") {
    small.instances.images[2].file_name.clear();
    CHECK_THROWS_WITH(small.open(), "truth.json: image 3: should have a file_name, got none");
  }
}

TEST_CASE("calls from several threads give what one gives", "[data][coco_folder]") {
  Small small;
  auto options = small.options();
  options.cache_bytes = GENERATE(std::size_t{0}, std::size_t{5000}, std::size_t{1} << 20);
  small.instances.images.pop_back();  // its file is missing
  const CocoFolder data(small.instances, small.folder.path(), options);
  const auto expected = data.augmented(kAll, Seed(5));
  std::vector<ImageBatch> found(8);
  {
    std::vector<std::jthread> threads;
    for (auto& batch : found)
      threads.emplace_back([&] {
        for (int i = 0; i < 20; ++i) batch = data.augmented(kAll, Seed(5));
      });
  }
  for (const auto& batch : found) {
    CHECK(batch.images.equal(expected.images));
    CHECK(batch.truth.equal(expected.truth));
  }
}

TEST_CASE("an image has the same view in a share as in the whole batch", "[data][coco_folder]") {
  Small small;
  const auto data = small.open();
  const std::vector<std::int64_t> all{0, 1, 0, 1}, zeros{0, 0}, ones{1, 1};
  const auto whole = data.augmented(all, Seed(5)).images;
  REQUIRE(whole.size(0) == 4);
  CHECK(data.augmented(zeros, Seed(5), {0, 2}).images.equal(whole.slice(0, 0, 4, 2)));
  CHECK(data.augmented(ones, Seed(5), {1, 2}).images.equal(whole.slice(0, 1, 4, 2)));
  CHECK_FALSE(data.augmented(ones, Seed(5)).images.equal(whole.slice(0, 1, 4, 2)));
}
