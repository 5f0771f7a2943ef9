#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "serpette/core/coco.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/core/in_parallel.hpp"
#include "serpette/core/seed.hpp"
#include "serpette/data/drawn_scenes.hpp"
#include "serpette/io/atomic_file.hpp"
#include "serpette/io/coco_json.hpp"
#include "serpette/io/image.hpp"
#include "serpette/io/read_file.hpp"

namespace serpette {

/// A data set of drawn scenes in COCO's layout, in a training and a test part:
/// `train/images/000001.jpg …`, `train/instances.json`, and the same under `test/`.
/// The parts draw from streams of their own: the test part is the same whatever the size of the
/// training part, and no scene is in both. Image ids run on from the training part's 1 and the test
/// part's 1,000,001.
struct DrawnData {
  DrawnScenes scenes{};
  std::int64_t train = 2000, test = 200;  ///< Pictures.
  std::uint64_t seed = 0;
  int jpeg_quality = 92;  ///< 1 to 100; 0 writes PNG instead.

  static constexpr std::int64_t kFirstTestId = 1'000'001;

  /// Draws and writes all. A folder that already holds this data set is left as it is.
  /// @param threads  at work at once; the result is the same for any number.
  /// @return         whether anything had to be written.
  /// @throws Error   if a setting is out of its range, the folder holds anything else, or writing
  /// fails.
  bool write(const std::filesystem::path& folder,
             unsigned threads = std::thread::hardware_concurrency()) const {
    scenes.check();
    require(
        train >= 0 && test >= 0 && train + test >= 1 && train < kFirstTestId && test < kFirstTestId,
        "drawn scenes",
        "should have at least one picture and at most a million each, got {} and {}", train, test);
    require(jpeg_quality >= 0 && jpeg_quality <= 100, "drawn scenes",
            "JPEG quality should be in [0, 100], got {}", jpeg_quality);
    const auto note = folder / "drawn_scenes.txt";
    const auto train_file = folder / "train" / "instances.json",
               test_file = folder / "test" / "instances.json";
    if (std::filesystem::exists(note)) {
      require(read_file(note) == description(), folder.string(),
              "should be a new folder, got one with drawn scenes of other settings (see "
              "drawn_scenes.txt there)");
      if (std::filesystem::exists(train_file) && std::filesystem::exists(test_file)) return false;
    } else {
      require(!std::filesystem::exists(folder) || std::filesystem::is_empty(folder),
              folder.string(), "should be a new or empty folder, got one with other files");
      write_file(note, description());
    }
    save_instances(train_file, write_part(folder / "train" / "images", train,
                                          Seed(seed).derive("train"), 1, threads));
    save_instances(test_file, write_part(folder / "test" / "images", test,
                                         Seed(seed).derive("test"), kFirstTestId, threads));
    return true;
  }

  /// The settings as text, a line each.
  [[nodiscard]] std::string description() const {
    return fmt::format(
        "drawn scenes, drawing 1\ntrain {}\ntest {}\nseed {}\njpeg_quality {}\nwidth {}\nheight "
        "{}\nmost_objects {}\n"
        "least_size {}\nmost_size {}\nnoise {}\nclutter {}\n",
        train, test, seed, jpeg_quality, scenes.width, scenes.height, scenes.most_objects,
        scenes.least_size, scenes.most_size, scenes.noise, scenes.clutter);
  }

 private:
  [[nodiscard]] Instances write_part(const std::filesystem::path& folder, std::int64_t count,
                                     Seed stream, std::int64_t first_id, unsigned threads) const {
    std::filesystem::create_directories(folder);
    std::vector<std::vector<CocoAnnotation>> objects(static_cast<std::size_t>(count));
    Instances part{
        std::vector<CocoImage>(static_cast<std::size_t>(count)), {}, DrawnScenes::categories()};
    in_parallel(threads, objects.size(), [&](std::size_t i) {
      auto scene = scenes.draw(stream.derive(i));
      const auto name = fmt::format("{:06}.{}", i + 1, jpeg_quality > 0 ? "jpg" : "png");
      if (jpeg_quality > 0)
        write_jpeg(folder / name, scene.image, jpeg_quality, false);
      else
        write_png(folder / name, scene.image, false);
      part.images[i] = {first_id + static_cast<std::int64_t>(i), name, scene.image.width,
                        scene.image.height};
      objects[i] = std::move(scene.objects);
    });
    for (std::size_t i = 0; i < objects.size(); ++i)
      for (auto& object : objects[i]) {
        object.id = std::ssize(part.annotations) + 1;
        object.image_id = part.images[i].id;
        part.annotations.push_back(object);
      }
    return part;
  }
};

}  // namespace serpette
