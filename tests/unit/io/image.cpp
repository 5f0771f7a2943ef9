#include "serpette/io/image.hpp"

#include "serpette/io/image_files.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"

#include <zlib.h>
#include <fstream>

#include <cmath>
#include <nlohmann/json.hpp>

using namespace serpette;
using Catch::Matchers::ContainsSubstring;
namespace fs = std::filesystem;

namespace {

const fs::path kGolden = test::file("golden/images");

Image gradient(int width, int height) {
  Image image(width, height);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      image.at(x, y)[0] = static_cast<std::uint8_t>(255 * x / width);
      image.at(x, y)[1] = static_cast<std::uint8_t>(255 * y / height);
      image.at(x, y)[2] = static_cast<std::uint8_t>(255 - 255 * x / width);
    }
  return image;
}

}  // namespace

TEST_CASE("pictures of every kind read as OpenCV reads them", "[io][image][golden]") {
  const auto golden = nlohmann::json::parse(read_file(test::file("golden/images.json")));
  REQUIRE(golden["pictures"].size() == 36);
  for (const auto& expected : golden["pictures"]) {
    const auto name = expected["file"].get<std::string>();
    INFO(name);
    const Image image = read_image(kGolden / name);
    REQUIRE(image.width == expected["width"].get<int>());
    REQUIRE(image.height == expected["height"].get<int>());
    const auto rgb = expected["rgb"].get<std::vector<int>>();
    REQUIRE(rgb.size() == image.rgb.size());
    int worst = 0;
    for (std::size_t i = 0; i < rgb.size(); ++i)
      worst = std::max(worst, std::abs(rgb[i] - image.rgb[i]));
    // Converting inks to RGB is a product of two bytes, which OpenCV rounds down and serpette to
    // nearest.
    CHECK(worst <= (name == "cmyk.jpg" ? 1 : 0));
    CHECK(image_size(read_file(kGolden / name), name) == ImageSize{image.width, image.height});
  }
}

TEST_CASE("a written PNG reads back, a written JPEG nearly", "[io][image]") {
  const test::Scratch folder;
  const Image image = gradient(70, 45);
  write_png(folder / "a.png", image);
  CHECK(read_image(folder / "a.png") == image);
  write_jpeg(folder / "a.jpg", image, 95);
  const Image again = read_image(folder / "a.jpg");
  REQUIRE(again.rgb.size() == image.rgb.size());
  double sum = 0;
  for (std::size_t i = 0; i < image.rgb.size(); ++i) sum += std::abs(image.rgb[i] - again.rgb[i]);
  CHECK(sum / static_cast<double>(image.rgb.size()) < 3);
  write_jpeg(folder / "b.jpg", image, 20);
  CHECK(fs::file_size(folder / "b.jpg") < fs::file_size(folder / "a.jpg"));
}

TEST_CASE("what is no picture is refused with its name", "[io][image]") {
  const test::Scratch folder;
  const auto refusal = [&](std::string_view bytes, const std::string& expected) {
    write_file(folder / "x.jpg", bytes);
    CHECK_THROWS_WITH(
        read_image(folder / "x.jpg"),
        ContainsSubstring((folder / "x.jpg").string()) && ContainsSubstring(expected));
  };
  refusal("", "should be a JPEG, PNG, WebP or BMP image, got an empty file");
  refusal("hello", "got another kind of file");
  refusal("\xff\xd8\xff", "should be a whole JPEG image");
  refusal("\x89PNG\r\n\x1a\n", "should be a whole PNG image");
  // What cannot be read is another kind of error than what is damaged.
  CHECK_THROWS_AS(read_image(folder / "x.jpg"), DamagedImage);
  try {
    read_image(folder / "none.jpg");
  } catch (const Error& error) {
    CHECK(dynamic_cast<const DamagedImage*>(&error) == nullptr);
  }
  CHECK_THROWS_WITH(read_image(folder / "none.jpg"),
                    ContainsSubstring("none.jpg: should be a readable file"));
  CHECK_THROWS_WITH(read_image(folder.path()), ContainsSubstring("got a folder"));
  CHECK_THROWS_AS(write_png(folder / "x.png", Image{}), Error);
  CHECK_THROWS_AS(write_jpeg(folder / "x.png", Image{}), Error);
  CHECK_FALSE(fs::exists(folder / "x.png"));
  Image wrong(4, 4);
  wrong.rgb.pop_back();
  CHECK_THROWS_WITH(write_png(folder / "x.png", wrong),
                    ContainsSubstring("should have 4 x 4 x 3 bytes, got 47"));
}

TEST_CASE("a header that promises too many pixels is refused before memory is asked for",
          "[io][image]") {
  auto bytes = encode_png(gradient(8, 8).rgb, 8, 8);
  bytes[16] = bytes[20] = '\x00';  // width and height, big-endian, of the IHDR chunk: 2^23 each
  bytes[17] = bytes[21] = '\x7f';
  CHECK_THROWS_AS(decode_image(bytes, "bomb"), Error);
  auto jpeg = encode_jpeg(gradient(8, 8).rgb, 8, 8, 90);
  const auto frame = jpeg.find("\xff\xc0");
  REQUIRE(frame != std::string::npos);
  for (std::size_t i = 5; i < 9; ++i) jpeg[frame + i] = '\xf0';  // 61,680 × 61,680
  CHECK_THROWS_WITH(decode_image(jpeg, "bomb"),
                    ContainsSubstring("should have from 1 to 2^28 pixels"));
}

TEST_CASE("a picture that its file is too small for is refused before memory is asked for",
          "[io][image]") {
  const auto too_small = ContainsSubstring("before data for at most");
  // Headers and nothing behind them: 16,000 × 16,000 at 16 bits, 21 bytes of JPEG, WebP, BMP.
  auto png = encode_png(gradient(8, 8).rgb, 8, 8);
  SECTION("PNG") {
    std::string header = png.substr(16, 13);
    header[2] = header[6] = '\x3e', header[3] = header[7] = '\x80', header[8] = 16;
    const auto crc =
        crc32(crc32(0, nullptr, 0), reinterpret_cast<const Bytef*>(("IHDR" + header).data()), 17);
    for (int shift = 24; shift >= 0; shift -= 8) header += static_cast<char>(crc >> shift);
    png.replace(16, 17, header);
    CHECK_THROWS_WITH(decode_image(png, "bomb"), too_small);
  }
  SECTION("a part of a PNG before its pixels") {
    png.insert(8 + 25,
               "\x7f\xff\xff\xff"
               "eXIf");  // behind signature and IHDR
    CHECK_THROWS_WITH(decode_image(png, "bomb"), ContainsSubstring("the file ends early"));
    CHECK_THROWS_WITH(image_size(png, "bomb"), ContainsSubstring("the file ends early"));
  }
  SECTION("JPEG") {
    const std::string jpeg(
        "\xff\xd8\xff\xc2\x00\x0b\x08\x3e\x80\x3e\x80\x01\x01\x11\x00\xff\xda\x00\x08\x01\x01\x00"
        "\x00\x3f\x00",
        25);
    CHECK_THROWS_WITH(decode_image(jpeg, "bomb"), too_small);
  }
  SECTION("BMP") {
    auto bmp = read_file(kGolden / "24.bmp");
    bmp[18] = bmp[22] = '\x00', bmp[19] = bmp[23] = '\x3e';
    CHECK_THROWS_WITH(decode_image(bmp, "bomb"), too_small);
  }
  SECTION("WebP") {
    // Lossless: 14 bits each of width − 1 and height − 1.
    auto webp = read_file(kGolden / "lossless.webp");
    const auto at = webp.find("VP8L") + 9;
    webp[at] = webp[at + 1] = webp[at + 2] = '\xff', webp[at + 3] = '\x0f';
    CHECK_THROWS_WITH(decode_image(webp, "bomb"), too_small);
  }
}

TEST_CASE("a JPEG of very many scans is refused", "[io][image]") {
  // The last scan of a progressive file, again and again: each is a pass over all coefficients.
  const auto whole = read_file(kGolden / "progressive.jpg");
  const auto last = whole.rfind("\xff\xda");
  REQUIRE(last != std::string::npos);
  auto many = whole.substr(0, last);
  for (int i = 0; i < 100; ++i) many += whole.substr(last, whole.size() - 2 - last);
  many += "\xff\xd9";
  CHECK_THROWS_WITH(decode_image(many, "bomb"), ContainsSubstring("more than 64 scans"));
}

TEST_CASE("a picture is given as viewers show it, unless its boxes were drawn on stored pixels",
          "[io][image]") {
  const auto bytes = read_file(kGolden / "turned.jpg");  // 21 × 13 stored, a quarter turn
  CHECK(image_size(bytes, "x") == ImageSize{13, 21});
  const Image seen = decode_image(bytes, "x"), stored = decode_image(bytes, "x", {21, 13});
  CHECK((seen.width == 13 && seen.height == 21 && stored.width == 21 && stored.height == 13));
  CHECK(detail::upright(stored, 6) == seen);
  CHECK(decode_image(bytes, "x", {13, 21}) == seen);
  CHECK(decode_image(bytes, "x", {99, 99}) == seen);
}

TEST_CASE("a damaged orientation is none", "[io][image]") {
  const std::string tiff("II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0", 22);
  REQUIRE(detail::exif_orientation(tiff) == 6);
  const std::string big("MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0", 22);
  CHECK(detail::exif_orientation(big) == 6);
  for (std::size_t size = 0; size < tiff.size(); ++size)
    CHECK(detail::exif_orientation(std::string_view(tiff).substr(0, size)) == 1);
  auto wrong = tiff;
  wrong[18] = '\x09';
  CHECK(detail::exif_orientation(wrong) == 1);
  wrong[4] = wrong[5] = wrong[6] = wrong[7] = '\xff';
  CHECK(detail::exif_orientation(wrong) == 1);
}

TEST_CASE("a picture that is cut off anywhere is an error", "[io][image]") {
  const Image image = gradient(120, 90);
  for (const auto& bytes : {encode_jpeg(image.rgb, 120, 90, 90), encode_png(image.rgb, 120, 90)}) {
    REQUIRE_NOTHROW(decode_image(bytes, "whole"));
    for (std::size_t size = 0; size < bytes.size() * 95 / 100; size += 7) {
      INFO(size << " of " << bytes.size());
      CHECK_THROWS_AS(decode_image(std::string_view(bytes).substr(0, size), "cut"), Error);
    }
  }
}

TEST_CASE("damaged bytes give an Error or a picture, never anything else", "[io][image]") {
  for (const char* name : {"420.jpg", "progressive.jpg", "cmyk.jpg", "turned.jpg", "palette.png",
                           "alpha.png", "interlaced.png", "lossy.webp", "turned.webp", "8.bmp"}) {
    const auto whole = read_file(kGolden / name);
    std::uint64_t state = 1;
    const auto random = [&](std::uint64_t n) {
      state = state * 6364136223846793005ULL + 1442695040888963407ULL;
      return (state >> 33) % n;
    };
    int refused = 0;
    for (int round = 0; round < 400; ++round) {
      auto bytes = whole;
      for (int k = 0; k < 1 + round % 4; ++k)
        bytes[random(bytes.size())] = static_cast<char>(random(256));
      try {
        const Image image = decode_image(bytes, name);
        CHECK(image.rgb.size() ==
              3 * static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height));
      } catch (const Error&) {
        ++refused;
      }
    }
    CHECK(refused > 0);
  }
}

TEST_CASE("a file's size in pixels is read from its beginning where it stands there",
          "[io][files]") {
  const serpette::test::Scratch folder;
  for (const auto& file : fs::directory_iterator(kGolden)) {
    INFO(file.path());
    const auto name = file.path().filename().string();
    CHECK(serpette::size_of_file(file.path()) == image_size(read_file(file.path()), name));
  }
  for (const char* name : {"turned6.jpg", "turned.png"}) {
    INFO(name);
    const auto longer = folder / name;  // than is read of any file as a whole; a hole takes no room
    fs::copy_file(kGolden / name, longer);
    fs::permissions(longer, fs::perms::owner_write, fs::perm_options::add);
    fs::resize_file(longer, serpette::limits::kFileBytes + 1);
    CHECK(serpette::size_of_file(longer) == serpette::size_of_file(kGolden / name));
  }
}

TEST_CASE("a link to nothing is no file of a folder, and no reason to refuse the folder",
          "[io][files]") {
  const serpette::test::Scratch folder;
  std::filesystem::create_directory(folder / "more");
  std::ofstream(folder / "a.png") << "x";
  std::ofstream(folder / "more" / "b.png") << "x";
  std::filesystem::create_symlink(folder / "gone.png", folder / "more" / "z.png");
  std::filesystem::create_symlink(folder / "gone.png", folder / "z.png");
  const auto all = [](const std::filesystem::path&) { return true; };
  CHECK(serpette::files_of(folder / "", all).size() == 1);
  CHECK(serpette::files_of(folder / "", all, true).size() == 2);
  CHECK_THROWS_WITH(serpette::files_of(folder / "a.png", all, true),
                    Catch::Matchers::ContainsSubstring("should be a readable folder"));
}

TEST_CASE("folders that links lead to are walked, rings of them once", "[io][files]") {
  const serpette::test::Scratch folder, elsewhere;
  std::filesystem::create_directories(folder / "images" / "more");
  std::ofstream(folder / "images" / "a.png") << "x";
  std::ofstream(elsewhere / "b.png") << "x";
  std::filesystem::create_directory_symlink(elsewhere.path(), folder / "images" / "linked");
  std::filesystem::create_directory_symlink("..", folder / "images" / "more" / "up");
  std::filesystem::create_directory_symlink(".", folder / "images" / "self");
  const auto all = [](const std::filesystem::path&) { return true; };
  CHECK(serpette::files_of(folder / "images", all, true) ==
        std::vector<std::filesystem::path>{folder / "images" / "a.png",
                                           folder / "images" / "linked" / "b.png"});
}
