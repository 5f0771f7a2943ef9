#include "serpette/data/image_list.hpp"

#include "support/catch.hpp"
#include "support/scratch.hpp"

#include "serpette/data/coco_folder.hpp"

using namespace serpette;

TEST_CASE("a folder's pictures are listed by name, with COCO's ids where they have them",
          "[data][image_list]") {
  const test::Scratch folder;
  write_jpeg(folder / "000000000139.jpg", Image(30, 20));
  write_png(folder / "000000000025.PNG", Image(10, 40));
  write_file(folder / "notes.txt", std::string_view("no picture"));
  auto found = list_images(folder.path());
  REQUIRE(found.images.size() == 2);
  CHECK(found.images[0].id == 25);
  CHECK(found.images[1].id == 139);
  CHECK(found.images[1].file_name == "000000000139.jpg");
  CHECK((found.images[0].width == 10 && found.images[0].height == 40));

  write_file(folder / "a.jpeg", std::string_view("damaged"));
  found = list_images(folder.path());
  REQUIRE(found.images.size() == 3);
  CHECK(found.images[2].id == 3);
  CHECK(found.images[2].width == 0);
  std::vector<std::string> reports;
  const CocoFolder data(
      found, folder.path(),
      {.width = 32, .height = 32, .report = [&](std::string_view m) { reports.emplace_back(m); }});
  const std::vector<std::int64_t> all{0, 1, 2};
  CHECK(data.batch(all).image_ids == std::vector<std::int64_t>{1, 2});
  CHECK(reports.size() == 1);

  CHECK(list_images(folder / "000000000139.jpg").images.at(0).id == 139);
}

TEST_CASE("nothing to list is an error", "[data][image_list]") {
  const test::Scratch folder;
  CHECK_THROWS_AS(list_images(folder.path()), Error);
  CHECK_THROWS_AS(list_images(folder / "none"), Error);
}

TEST_CASE("pictures of kinds that are not read are named", "[data][image_list]") {
  const test::Scratch folder;
  for (const auto* name : {"a.HEIC", "b.gif", "c.tiff", "d.avif"})
    write_file(folder / name, std::string_view("x"));
  CHECK_THROWS_WITH(
      list_images(folder.path()),
      Catch::Matchers::ContainsSubstring("got 4 pictures of kinds that are not read (a.HEIC, "
                                         "b.gif, c.tiff, …): convert them to JPEG"));
  write_png(folder / "e.png", Image(10, 40));
  CHECK(list_images(folder.path()).images.size() == 1);
  CHECK(unread_pictures_text(folder.path()).starts_with("4 pictures of kinds"));
  std::filesystem::remove(folder / "a.HEIC");
  CHECK(unread_pictures_text(folder.path()).find("(b.gif, c.tiff, d.avif)") != std::string::npos);
  CHECK(unread_pictures_text(folder / "e.png").empty());
}
