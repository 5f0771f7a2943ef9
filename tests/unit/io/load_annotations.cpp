#include "serpette/io/load_annotations.hpp"

#include <nlohmann/json.hpp>

#include "support/catch.hpp"
#include "support/scratch.hpp"

using namespace serpette;
using Catch::Matchers::ContainsSubstring;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

const fs::path kPictures = test::file("golden/images"), kFolder = test::file("golden/annotations");

json golden() { return json::parse(read_file(test::file("golden/annotations.json"))); }

/// Annotations of a picture by its name, in order.
std::vector<CocoAnnotation> of(const Instances& instances, const std::string& file_name) {
  for (const auto& image : instances.images)
    if (fs::path(image.file_name).filename() == file_name) {
      std::vector<CocoAnnotation> mine;
      for (const auto& a : instances.annotations)
        if (a.image_id == image.id) mine.push_back(a);
      return mine;
    }
  FAIL("no picture " << file_name);
  return {};
}

void check_box(const Box& box, const json& wanted) {
  const double got[] = {box.x, box.y, box.width, box.height};
  for (std::size_t i = 0; i < 4; ++i)
    CHECK(got[i] == Catch::Approx(wanted[i].get<double>()).margin(1e-12));
}

void check_same(const Instances& a, const Instances& b) {
  REQUIRE(a.images.size() == b.images.size());
  REQUIRE(a.categories.size() == b.categories.size());
  for (std::size_t k = 0; k < a.categories.size(); ++k)
    CHECK(a.categories[k].name == b.categories[k].name);
  for (const auto& image : a.images) {
    const auto mine = of(a, image.file_name), other = of(b, image.file_name);
    REQUIRE(mine.size() == other.size());
    for (std::size_t i = 0; i < mine.size(); ++i) {
      CHECK(mine[i].category == other[i].category);
      CHECK(mine[i].is_crowd == other[i].is_crowd);
      check_box(mine[i].box,
                {other[i].box.x, other[i].box.y, other[i].box.width, other[i].box.height});
    }
  }
}

}  // namespace

TEST_CASE("Pascal VOC reads as Detectron2's converter reads it", "[io][voc_xml][golden]") {
  const auto wanted = golden()["voc"];
  const auto found = load_annotations(kFolder / "voc", {.images = kPictures});
  REQUIRE(found.categories.size() == 3);
  CHECK(found.categories[0].name == "cat");
  CHECK(found.categories[1].name == "cat & co");
  CHECK((found.categories[2].name == "dog" && found.categories[2].id == 3));
  REQUIRE(found.images.size() == 3);
  const std::map<std::string, std::string> pictures{
      {"420", "420.jpg"}, {"rgb", "rgb.png"}, {"other", "24.bmp"}};
  for (const auto& [stem, name] : pictures) {
    const auto mine = of(found, name);
    REQUIRE(mine.size() == wanted[stem].size());
    for (std::size_t i = 0; i < mine.size(); ++i) {
      check_box(mine[i].box, wanted[stem][i]["bbox"]);
      CHECK(found.categories[std::size_t(mine[i].category)].name ==
            wanted[stem][i]["name"].get<std::string>());
      CHECK(mine[i].is_crowd == (wanted[stem][i]["difficult"] == 1));
    }
  }
  for (const auto& image : found.images) CHECK((image.width == 21 && image.height == 13));
  CHECK_THROWS_WITH(load_annotations(kFolder / "voc", {.images = kPictures, .names = {"dog"}}),
                    ContainsSubstring("420.xml") && ContainsSubstring("got \"cat\""));
}

TEST_CASE("a folder whose boxes begin at 0 counts from 0", "[io][voc_xml][golden]") {
  const auto wanted = golden()["voc_from_zero"]["420"];
  const auto found =
      of(load_annotations(kFolder / "voc_from_zero", {.images = kPictures}), "420.jpg");
  REQUIRE(found.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) check_box(found[i].box, wanted[i]["bbox"]);
}

TEST_CASE("a list of Pascal VOC's pictures is read as its folder is", "[io][voc_xml]") {
  const test::Scratch folder;
  const auto annotate = [&](const std::string& stem, std::string_view corners) {
    write_file(folder / "Annotations" / (stem + ".xml"),
               std::string_view(fmt::format(
                   "<annotation><size><width>21</width><height>13</height></size><object><name>a"
                   "</name><bndbox>{}</bndbox></object></annotation>",
                   corners)));
  };
  annotate("at the edge", "<xmin>0</xmin><ymin>0</ymin><xmax>4</xmax><ymax>5</ymax>");
  annotate("inside 1", "<xmin>3</xmin><ymin>4</ymin><xmax>9</xmax><ymax>8</ymax>");
  write_file(folder / "Annotations/damaged.xml", std::string_view("<annotation>"));
  for (const char* line : {"inside 1\n", "inside 1  -1\r\n", "inside 1\t1 1\n"}) {
    write_file(folder / "ImageSets/Main/val.txt", std::string_view(line));
    const auto found =
        load_annotations(folder / "ImageSets/Main/val.txt", {.images = folder.path()});
    REQUIRE(found.annotations.size() == 1);
    CHECK(found.annotations[0].box == Box{3, 4, 6, 4});
  }
}

TEST_CASE("YOLO's labels read as Ultralytics reads them", "[io][yolo_labels][golden]") {
  const auto found = load_annotations(kFolder / "yolo" / "labels", {.images = kPictures});
  REQUIRE(found.categories.size() == 2);
  CHECK(found.categories[1].name == "white cell");
  CHECK(found.images.size() == 36);  // those without labels hold no object
  std::size_t boxes = 0;
  const auto all = golden();
  for (const auto& [name, wanted] : all["yolo"].items()) {
    const auto mine = of(found, name);
    REQUIRE(mine.size() == wanted.size());
    boxes += mine.size();
    for (std::size_t i = 0; i < mine.size(); ++i) {
      CHECK(mine[i].category == wanted[i]["class"]);
      check_box(mine[i].box, wanted[i]["bbox"]);
    }
  }
  CHECK(found.annotations.size() == boxes);
}

TEST_CASE("COCO's boxes become YOLO's labels as Ultralytics converts them",
          "[io][yolo_labels][golden]") {
  const test::Scratch folder;
  const auto coco = load_annotations(kFolder / "coco.json");
  CHECK(save_yolo(folder / "out", coco, kPictures) == 2);  // a crowd, and a box without area
  const auto all = golden();
  for (const auto& [name, wanted] : all["coco_to_yolo"].items()) {
    const auto labels = read_yolo_labels((folder / "out/labels" / name).replace_extension(".txt"));
    REQUIRE(labels.size() == wanted.size());
    for (std::size_t i = 0; i < labels.size(); ++i) {
      const auto& l = labels[i];
      const double got[] = {double(l.category), l.cx, l.cy, l.width, l.height};
      for (std::size_t k = 0; k < 5; ++k)
        CHECK(got[k] == Catch::Approx(wanted[i][k].get<double>()).margin(1e-12));
    }
  }
}

TEST_CASE("what is written in one format reads back the same from each of its doors",
          "[io][load_annotations]") {
  const test::Scratch folder;
  auto coco = load_annotations(kFolder / "coco.json");
  SECTION("Pascal VOC") {
    coco.annotations[2].box.width = 2;
    save_voc(folder.path(), coco);
    check_same(coco, load_annotations(folder.path(), {.images = kPictures}));
    write_file(folder / "ImageSets/Main/train.txt", std::string_view("rgb 1\r\n"));
    const auto listed =
        load_annotations(folder / "ImageSets/Main/train.txt", {.images = kPictures});
    CHECK(listed.images.size() == 1);
    CHECK(listed.annotations.size() == 2);
    std::string words = "rgb 1\n";
    for (int i = 0; i < 100'000; ++i) words += "a ";
    write_file(folder / "ImageSets/Main/train.txt", words);
    CHECK_THROWS_WITH(
        load_annotations(folder / "ImageSets/Main/train.txt", {.images = kPictures}),
        ContainsSubstring("train.txt:2: should name a picture in at most 4096 bytes, got 199999"));
  }
  SECTION("Pascal VOC of a box without width") {
    coco.annotations[2].box = {127.67, 3, 0, 4};
    coco.images[1].width = 200;
    save_voc(folder.path(), coco);
    const auto found = of(load_annotations(folder.path(), {.images = kPictures}), "rgb.png");
    REQUIRE(found.size() == 2);
    CHECK(found[0].box.width == 0);
  }
  SECTION("YOLO") {
    coco.annotations.erase(coco.annotations.begin() + 1, coco.annotations.begin() + 3);
    save_yolo(folder.path(), coco, kPictures);
    CHECK_NOTHROW(save_yolo(folder.path(), coco, kPictures));  // again
    CHECK_THROWS_WITH(save_yolo(folder.path(), coco, kFolder), ContainsSubstring("got another"));
    const auto images = folder / "images";
    for (const char* door :
         {"obj.data", "obj.data:train", "data.yaml", "data.yaml:train", "images.txt", ""}) {
      INFO(door);
      const auto read = load_annotations(folder / door, {.images = images});
      check_same(coco, read);
      CHECK(read.images[0].file_name == "420.jpg");
    }
    CHECK_THROWS_WITH(load_annotations(folder / "obj.data:valid"),
                      ContainsSubstring("\"valid = …\""));
    CHECK_THROWS_WITH(load_annotations(folder / "data.yaml:val"), ContainsSubstring("\"val\""));
  }
  SECTION("COCO") {
    save_instances(folder / "x/instances.json", coco);
    check_same(coco, load_annotations(folder / "x"));
    check_same(coco, load_annotations(folder / "x/instances.json"));
    CHECK(annotations_text(folder / "x/instances.json") == instances_json(coco));
  }
}

TEST_CASE("Roboflow's data.yaml is read where it lies", "[io][yolo_sets]") {
  const test::Scratch folder;
  fs::create_directories(folder / "train/images");
  fs::copy_file(kPictures / "420.jpg", folder / "train/images/1.jpg");
  write_file(folder / "train/labels/1.txt", std::string_view("1 0.5 0.5 0.5 0.5\n"));
  write_file(folder / "data.yaml",
             std::string_view("train: ../train/images\nval: ../valid/images\ntest:\nnc: 2\n"
                              "names: ['a', 'b: c']\nroboflow:\n  version: 1\n"));
  const auto found = load_annotations(folder / "data.yaml");
  REQUIRE(found.annotations.size() == 1);
  CHECK(found.categories.at(1).name == "b: c");
  CHECK(found.annotations[0].box == Box{5.25, 3.25, 10.5, 6.5});
  CHECK(fs::path(found.images[0].file_name).is_absolute());
}

TEST_CASE("pictures that are links to others keep their labels", "[io][yolo_sets]") {
  const test::Scratch folder;
  fs::create_directories(folder / "images/deep");
  fs::create_symlink(fs::absolute(kPictures / "420.jpg"), folder / "images/deep/1.jpg");
  write_file(folder / "labels/classes.txt", std::string_view("cell\n"));
  write_file(folder / "labels/deep/1.txt", std::string_view("0 0.5 0.5 1 1\n"));
  for (const fs::path& images : {fs::path(), folder / "images", folder / "images/"}) {
    const auto found = load_annotations(folder / "labels", {.images = images});
    REQUIRE(found.annotations.size() == 1);
    CHECK(found.annotations[0].box == Box{0, 0, 21, 13});
  }
}

TEST_CASE("bad annotations are refused with their place", "[io][load_annotations]") {
  const test::Scratch folder;
  const auto refused = [&](const fs::path& name, std::string_view text, const std::string& why,
                           const char* door = "") {
    fs::remove_all(folder / "x");
    write_file(folder / "x" / name, text);
    INFO(text);
    CHECK_THROWS_WITH(load_annotations(folder / "x" / door, {.images = kPictures}),
                      ContainsSubstring(why));
  };
  const auto label = [&](std::string_view text, const std::string& why) {
    refused("420.txt", text, "420.txt:1: " + why);
  };
  label("0 0.5 0.5 1", "should be \"class cx cy width height\" or a polygon, got 4 numbers");
  label("0 0.5 0.5 1 1 0.9", "should be \"class cx cy width height\" or a polygon, got 6 numbers");
  label("0.5 0.5 0.5 1 1", "should begin with a class");
  label("-1 0.5 0.5 1 1", "should begin with a class");
  label("9223372036854775814 0.5 0.5 1 1", "should begin with a class from 0 to 16383, got");
  label("0 0.5 x 1 1", "should hold numbers, got \"x\"");
  label("0 0.5 nan 1 1", "should hold numbers, got \"nan\"");
  label("0 0.5 0.5 -1 1", "width and height should not be negative");
  refused("420.xml", "<annotation><object>", "420.xml: should be XML");
  refused("420.xml", "<other/>", "should be a Pascal VOC annotation");
  const auto object = [&](std::string_view inside, const std::string& why) {
    refused("420.xml", fmt::format("<annotation><object>{}</object></annotation>", inside), why);
  };
  object("<name>a</name>", "xmin should be a number, got \"\"");
  object("<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox>",
         "should have a name");
  object("<name>a</name><bndbox><xmin>3</xmin><ymin>1</ymin><xmax>1</xmax><ymax>2</ymax></bndbox>",
         "should end after it begins");
  object(
      "<name>a</name><bndbox><xmin>0</xmin><ymin>0</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>"
      "</object><object><name>b</name><bndbox><xmin>5</xmin><ymin>5</ymin><xmax>4</xmax>"
      "<ymax>4</ymax></bndbox>",  // counted from 0
      "the box of \"b\" should end after it begins, got x 5 to 4");
  refused("a.data", "train = x\n", "should have a line \"names = …\"", "a.data");
  refused("a.data", "train\n", "should hold key = value", "a.data");
  refused("a.yaml", "names: [a\n", "should be YAML", "a.yaml");
  refused("a.yaml", "- a\n", "should hold names and folders", "a.yaml");
  refused("a.yaml", "train: x\n", "should have names", "a.yaml");
  refused("a.yaml", "train: x\nnames: {0: a, 2: b}\n", "without a gap, got 2", "a.yaml");
  refused("a.txt", "\r\n", "should list pictures", "a.txt");
  refused("notes.md", "", "should hold annotations");
  refused("a.xml", "<annotation/>", "should be the folder of all XML files", "a.xml");
}

TEST_CASE("Pascal VOC of boxes outside their picture reads back", "[io][voc_xml]") {
  const test::Scratch folder;
  auto coco = load_annotations(kFolder / "coco.json");
  coco.annotations[2].box = {30, 20, 5, 4};
  coco.annotations[3].box = {-9, -3, 4, 2};
  save_voc(folder.path(), coco);
  const auto found = of(load_annotations(folder.path(), {.images = kPictures}), "rgb.png");
  REQUIRE(found.size() == 2);
  CHECK(found[0].box == Box{21, 13, 0, 0});
  CHECK(found[1].box == Box{0, 0, 0, 0});
}

TEST_CASE("pictures that one label would serve are refused", "[io][load_annotations]") {
  const test::Scratch folder;
  auto coco = load_annotations(kFolder / "coco.json");
  coco.images[1].file_name = "420.png";
  CHECK_THROWS_WITH(save_voc(folder.path(), coco), ContainsSubstring("got 420 twice"));
  CHECK_THROWS_WITH(save_yolo(folder.path(), coco, kPictures), ContainsSubstring("got 420 twice"));
  coco.images[1].file_name = "../420.png";
  CHECK_THROWS_WITH(save_yolo(folder.path(), coco, kPictures), ContainsSubstring("within"));
}

TEST_CASE("a picture whose name is two lines is refused", "[io][load_annotations]") {
  const test::Scratch folder;
  auto coco = load_annotations(kFolder / "coco.json");
  coco.images[0].file_name = "a\nb.jpg";
  const auto refused = ContainsSubstring("should have a name of one line, got \"a\\nb.jpg\"");
  CHECK_THROWS_WITH(save_yolo(folder / "out", coco, kPictures), refused);
  CHECK_THROWS_WITH(save_voc(folder / "out", coco), refused);
  CHECK_FALSE(fs::exists(folder / "out"));
}

TEST_CASE("classes keep their order and number where one has no name", "[io][yolo_labels]") {
  const test::Scratch folder;
  auto coco = load_annotations(kFolder / "coco.json");
  coco.categories[0].name.clear();
  save_yolo(folder / "out", coco, kPictures);
  const auto read = load_annotations(folder / "out/obj.data");
  REQUIRE(read.categories.size() == 2);
  CHECK(read.categories[0].name == "class 0");
  CHECK(read.categories[1].name == coco.categories[1].name);
  CHECK(of(read, "420.jpg").front().category == of(coco, "420.jpg").front().category);
  // Pascal VOC knows classes by name alone.
  CHECK_THROWS_WITH(save_voc(folder / "voc", coco),
                    ContainsSubstring("should have a name, got none"));
  coco.categories[0].name = coco.categories[1].name;
  CHECK_THROWS_WITH(save_yolo(folder / "twice", coco, kPictures), ContainsSubstring("twice"));
  CHECK_THROWS_WITH(save_voc(folder / "voc", coco), ContainsSubstring("twice"));
  CHECK_FALSE((fs::exists(folder / "voc") || fs::exists(folder / "twice")));
}

TEST_CASE("pictures whose labels nobody would find are refused", "[io][yolo_labels]") {
  const test::Scratch folder;
  auto coco = load_annotations(kFolder / "coco.json");
  for (const char* name : {"images/420.jpg", "train/images/420.jpg"}) {
    coco.images[0].file_name = name;
    CHECK_THROWS_WITH(save_yolo(folder / "out", coco, kPictures),
                      ContainsSubstring("should have no folder \"images\" in their names"));
    CHECK_FALSE(fs::exists(folder / "out"));
  }
  coco.images[0].file_name = "my images/420.jpg";
  CHECK_NOTHROW(save_yolo(folder / "out", coco, kPictures));
}

TEST_CASE("pictures of labels that are not there are summed up", "[io][yolo_labels]") {
  const test::Scratch folder;
  fs::create_directory(folder / "images");
  fs::copy_file(kPictures / "420.jpg", folder / "images/420.jpg");
  write_file(folder / "labels/420.txt", std::string_view("0 0.5 0.5 1 1\n"));
  std::string list = "images/420.jpg\n";
  for (int i = 0; i < 3000; ++i) list += fmt::format("gone/{}.jpg\n", i);
  write_file(folder / "list.txt", std::string_view(list));
  CHECK_THROWS_WITH(load_annotations(folder / "list.txt", {.images = kPictures}),
                    ContainsSubstring("for 3000 of 3001 got no file (") &&
                        ContainsSubstring("gone/2.jpg, …)") && !ContainsSubstring("gone/3.jpg"));
  const auto found =
      load_annotations(folder / "list.txt", {.images = kPictures, .missing_pictures = true});
  REQUIRE(found.images.size() == 3001);
  CHECK((found.images[0].width == 21 && found.images[1].width == 0));
}

TEST_CASE("a folder of YOLO's with data.yaml is read by it, whatever stands beside",
          "[io][yolo_sets]") {
  const test::Scratch folder;
  auto coco = load_annotations(kFolder / "coco.json");
  coco.annotations.erase(coco.annotations.begin() + 1, coco.annotations.begin() + 3);
  save_yolo(folder.path(), coco, kPictures);
  write_file(folder / "hyp.yaml", std::string_view("lr0: 0.01\n"));
  write_file(folder / "README.dataset.txt", std::string_view("of a web site\n"));
  write_file(folder / "summary.json", std::string_view("{}\n"));
  check_same(coco, load_annotations(folder.path(), {.images = folder / "images"}));
  check_same(coco, load_yolo(folder.path(), {.images = folder / "images"}));
}

TEST_CASE("pictures of which none has labels where they are looked for are refused",
          "[io][yolo_labels]") {
  const test::Scratch folder;
  write_file(folder / "README.dataset.txt", std::string_view("of a web site\n"));
  fs::create_directories(folder / "images");
  fs::copy_file(kPictures / "420.jpg", folder / "images/1.jpg");
  fs::copy_file(kPictures / "420.jpg", folder / "images/2.jpg");
  const auto refused = [&](const char* door, const std::string& looked_for) {
    INFO(door);
    for (const bool missing : {false, true})
      CHECK_THROWS_WITH(
          load_annotations(folder / door, {.missing_pictures = missing}),
          ContainsSubstring("should be of pictures with files of labels, got none for any of 2: "
                            "that of the first was looked for as ") &&
              ContainsSubstring(looked_for));
  };
  refused("", "/images/1.txt");  // the labels are in a folder of it
  write_file(folder / "sets/list.txt", std::string_view("../images/1.jpg\n../images/2.jpg\n"));
  refused("sets/list.txt", "/images/1.txt, and in the folder labels for images");
  write_file(folder / "sets/data.yaml", std::string_view("train: ../images\nnames: [a]\n"));
  refused("sets/data.yaml", "/images/1.txt, and in the folder labels for images");
  write_file(folder / "labels/2.txt", std::string_view(""));  // of a picture without objects
  for (const char* door : {"sets/list.txt", "sets/data.yaml", "labels"}) {
    INFO(door);
    const auto found = load_annotations(folder / door);
    CHECK((found.images.size() == 2 && found.annotations.empty()));
  }
}

TEST_CASE("class names that may be one list's or another's are refused", "[io][yolo_sets]") {
  const test::Scratch folder;
  fs::create_directories(folder / "images");
  fs::copy_file(kPictures / "420.jpg", folder / "images/1.jpg");
  write_file(folder / "labels/1.txt", std::string_view("1 0.5 0.5 1 1\n"));
  write_file(folder / "list.txt", std::string_view("images/1.jpg\n"));
  write_file(folder / "obj.names", std::string_view("cat\ndog\n"));
  write_file(folder / "same.names", std::string_view("cat\r\n\ndog"));
  for (const char* door : {"list.txt", "labels"}) {
    INFO(door);
    fs::remove(folder / "x.names");
    CHECK(load_annotations(folder / door).categories.at(1).name == "dog");
    write_file(folder / "x.names", std::string_view("dog\ncat\n"));
    CHECK_THROWS_WITH(load_annotations(folder / door),
                      ContainsSubstring("obj.names and ") &&
                          ContainsSubstring("x.names, which differ") &&
                          ContainsSubstring("as --names"));
    // Whoever gives names asks for no others.
    CHECK(load_annotations(folder / door, {.names = {"a", "b"}}).categories.at(1).name == "b");
    // Those of a network say nothing of a data set.
    write_file(folder / "x.cfg", std::string_view("[net]\n"));
    CHECK(load_annotations(folder / door).categories.at(1).name == "dog");
    fs::remove(folder / "x.cfg");
  }
}

TEST_CASE("a picture of Pascal VOC's that is not found has its bare name", "[io][voc_xml]") {
  const test::Scratch folder;
  write_file(folder / "xml/1.xml",
             std::string_view("<annotation><filename>C:\\photos\\one.jpg</filename></annotation>"));
  write_file(folder / "xml/2.xml", std::string_view("<annotation/>"));
  for (const fs::path& images : {fs::path(), folder / "xml"}) {
    const auto found = load_annotations(folder / "xml", {.images = images});
    REQUIRE(found.images.size() == 2);
    CHECK(found.images[0].file_name == "one.jpg");
    CHECK(found.images[1].file_name == "2.jpg");
  }
  fs::copy_file(kPictures / "420.jpg", folder / "xml/2.jpg");
  CHECK(load_annotations(folder / "xml").images[1].file_name ==
        fs::absolute(folder / "xml/2.jpg").lexically_normal().string());
}

TEST_CASE("a file that is no list of Pascal VOC's is named", "[io][voc_xml]") {
  CHECK_THROWS_WITH(load_voc(kFolder / "coco.json"),
                    ContainsSubstring("coco.json: should be a folder of Pascal VOC's XML or a list "
                                      "under ImageSets/Main, got neither"));
  CHECK_THROWS_WITH(load_voc("nothing there"),
                    ContainsSubstring("nothing there: should be a folder"));
}

TEST_CASE("which picture is an annotation's is known or refused", "[io][voc_xml]") {
  const test::Scratch folder;
  write_file(folder / "xml/1.xml",
             std::string_view("<annotation><filename>1.jpg</filename></annotation>"));
  const auto add = [&](const fs::path& name) {
    fs::create_directories((folder / "images" / name).parent_path());
    fs::copy_file(kPictures / "420.jpg", folder / "images" / name);
  };
  const auto load = [&] { return load_annotations(folder / "xml", {.images = folder / "images"}); };
  add("b/1.jpg");
  add("a/1.png");  // a mask
  CHECK(load().images.at(0).file_name == "b/1.jpg");
  add("a/1.jpg");
  CHECK_THROWS_WITH(load(), ContainsSubstring("xml/1.xml: should be of one picture, got ") &&
                                ContainsSubstring("images/a/1.jpg and "));
  add("1.jpg");
  CHECK(load().images.at(0).file_name == "1.jpg");
}

TEST_CASE("annotations say which of their numbers are their own", "[io][load_annotations]") {
  const auto own = [](const Instances& i) { return std::pair(i.has_image_ids, i.has_class_order); };
  CHECK(own(load_annotations(kFolder / "coco.json")) == std::pair(true, true));
  const auto voc = load_annotations(kFolder / "voc", {.images = kPictures});
  CHECK(own(voc) == std::pair(false, false));
  CHECK(
      own(load_voc(kFolder / "voc", {.images = kPictures, .names = {"cat", "cat & co", "dog"}})) ==
      std::pair(false, true));
  CHECK(own(load_annotations(kFolder / "yolo/labels", {.images = kPictures})) ==
        std::pair(false, true));
}

TEST_CASE("annotations are not written among those of other pictures", "[io][load_annotations]") {
  const test::Scratch folder;
  const auto whole = load_annotations(kFolder / "coco.json");
  auto part = whole;
  part.images.pop_back();
  std::erase_if(part.annotations,
                [&](const CocoAnnotation& a) { return a.image_id != part.images[0].id; });
  save_voc(folder / "voc", whole);
  CHECK_NOTHROW(save_voc(folder / "voc", whole));  // again
  CHECK_THROWS_WITH(save_voc(folder / "voc", part),
                    ContainsSubstring("got 1 of another (rgb.xml)"));
  save_yolo(folder / "yolo", whole, kPictures);
  CHECK_THROWS_WITH(save_yolo(folder / "yolo", part, kPictures),
                    ContainsSubstring("got 1 of another (rgb.txt)"));
}
