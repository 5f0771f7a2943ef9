// What a program writes is none of the files that its annotations are made of.
#include "serpette/io/load_annotations.hpp"

#include "support/catch.hpp"
#include "support/scratch.hpp"

using namespace serpette;
using Catch::Matchers::ContainsSubstring;
namespace fs = std::filesystem;

TEST_CASE("an output that is a part of a data set is refused by each of its doors",
          "[io][load_annotations]") {
  const test::Scratch folder;
  const auto pictures = test::file("golden/images");
  const auto coco = load_annotations(test::file("golden/annotations/coco.json"));
  const auto refused = [&](const fs::path& door, const fs::path& output) {
    INFO(door << " " << output);
    REQUIRE(fs::exists(folder / output));
    CHECK_THROWS_WITH(require_no_input(folder / output, files_of_annotations(folder / door)),
                      ContainsSubstring("should be another file than"));
  };
  const auto accepted = [&](const fs::path& door, const fs::path& output) {
    INFO(door << " " << output);
    CHECK_NOTHROW(require_no_input(folder / output, files_of_annotations(folder / door)));
  };
  SECTION("YOLO") {
    save_yolo(folder / "yy", coco, pictures);
    write_file(folder / "yy/hyp.yaml", std::string_view("lr0: 0.01\n"));
    write_file(folder / "yy/own.cfg", std::string_view("[net]\n"));
    write_file(folder / "yy/own.names", std::string_view("dog\n"));
    for (const char* door : {"yy", "yy/obj.data", "yy/obj.data:train", "yy/data.yaml",
                             "yy/data.yaml:train", "yy/images.txt"}) {
      for (const char* output : {"data.yaml", "hyp.yaml", "obj.data", "obj.names", "images.txt",
                                 "labels/420.txt", "images/420.jpg"})
        refused(door, fs::path("yy") / output);
      for (const char* output : {"new.json", "own.cfg", "own.names"})  // a network's, written anew
        accepted(door, fs::path("yy") / output);
    }
    refused("yy/labels", "yy/labels/420.txt");
    refused("yy/labels", "yy/obj.names");  // one folder up
    accepted("yy/labels", "yy/own.names");
  }
  SECTION("YOLO in several parts, of which some are not there") {
    fs::create_directories(folder / "valid/images");
    fs::copy_file(pictures / "420.jpg", folder / "valid/images/1.jpg");
    write_file(folder / "valid/labels/1.txt", std::string_view("0 0.5 0.5 1 1\n"));
    write_file(folder / "x/data.yaml",
               std::string_view("train: ../train/images\nval: ../valid/images\ntest:\n"
                                "names: [a]\n"));
    write_file(folder / "x/obj.data", std::string_view("train = none.txt\nvalid = val.list\n"
                                                       "backup = ../valid\nnames =\n"));
    write_file(folder / "x/val.list", std::string_view("../valid/images/1.jpg\n"));
    refused("x/data.yaml:train", "valid/labels/1.txt");
    refused("x/obj.data:train", "valid/labels/1.txt");
    refused("x/obj.data:train", "x/val.list");
  }
  SECTION("Pascal VOC") {
    save_voc(folder / "voc", coco);
    write_file(folder / "voc/ImageSets/Main/t.txt", std::string_view("420 1\n"));
    for (const char* door : {"voc", "voc/Annotations", "voc/ImageSets/Main/t.txt"})
      refused(door, "voc/Annotations/420.xml");
    refused("voc/ImageSets/Main/t.txt", "voc/ImageSets/Main/t.txt");
  }
  SECTION("COCO") {
    save_instances(folder / "x/instances.json", coco);
    for (const char* door : {"x", "x/instances.json"}) refused(door, "x/instances.json");
  }
  SECTION("nothing") {
    CHECK(files_of_annotations("").empty());
    const auto files = files_of_annotations(folder / "none.yaml");
    REQUIRE(files.size() == 1);
    CHECK(files[0] == folder / "none.yaml");
  }
}

TEST_CASE("a folder of data keeps what says which classes it has", "[io][atomic_file]") {
  const test::Scratch folder;
  for (const char* name : {"data.yaml", "data.yml", "obj.data", "obj.names", "deep/c.names"}) {
    INFO(name);
    CHECK_NOTHROW(require_no_input(folder / name, {folder.path()}));
    write_file(folder / name, std::string_view("of the data"));
    CHECK_THROWS_WITH(require_no_input(folder / name, {folder.path()}),
                      ContainsSubstring("should be another file than those of the input"));
  }
  // Names that travel with a network are written with it, and again by a training that goes on.
  for (const char* network : {"a.cfg", "b.weights", "c.last.weights", "d.checkpoint.lock"}) {
    INFO(network);
    const auto names = folder / (std::string(1, network[0]) + ".names");
    write_file(names, std::string_view("cat\n"));
    CHECK_THROWS_WITH(require_no_input(names, {folder.path()}), ContainsSubstring("those of"));
    write_file(folder / network, std::string_view("a network"));
    CHECK_NOTHROW(require_no_input(names, {folder.path()}));
  }
}
