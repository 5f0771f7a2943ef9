#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "serpette/core/box.hpp"
#include "serpette/io/class_names.hpp"
#include "serpette/io/csv.hpp"
#include "serpette/io/draw.hpp"
#include "serpette/io/image.hpp"
#include "serpette/io/load_annotations.hpp"
#include "serpette/io/read_file.hpp"
#include "serpette/study/cells.hpp"
#include "serpette_report/study.hpp"

namespace serpette {

/// A box on a sample picture.
struct SampleBox {
  int category = 0;  ///< Index into Samples::categories.
  double confidence = 1;
  Box box;  ///< Pixels of the embedded picture.
};

/// A test picture as pages embed it.
struct SamplePicture {
  std::int64_t id = 0;  ///< As in the annotations.
  std::string name;
  int width = 0, height = 0;  ///< [pixels], as embedded.
  std::string jpeg;           ///< The file's bytes; JPEG or PNG.
  std::vector<SampleBox> truth;
};

/// What one network found on the sample pictures: per picture, the surest first.
struct SampleCell {
  std::vector<std::vector<SampleBox>> clean;
  std::vector<std::vector<SampleBox>> attacked;  ///< Empty where they were not kept.
};

/// Scenario, ratio and run of a network.
using SampleKey = std::tuple<std::string, std::string, std::int64_t>;

/// A few test pictures, and what every network of a study found on them.
struct Samples {
  std::vector<std::string> categories;
  std::vector<SamplePicture> pictures;
  std::map<SampleKey, SampleCell> cells;  ///< One without detections is not there.
};

/// Where samples come from, and how much of them.
struct SampleSource {
  std::filesystem::path
      cells;  ///< The study's folder `cells`: a folder per cell with its detections.
  std::filesystem::path images;       ///< Folder of the test pictures.
  std::filesystem::path annotations;  ///< Their truth, in any form of load_annotations.
  std::size_t pictures = 6;
  int side = 480;          ///< Larger pictures are shrunk to this [pixels].
  double least = 0.05;     ///< Boxes below this confidence are left out.
  std::size_t boxes = 24;  ///< At most so many a picture, the surest.
};

namespace detail {

/// All pictures, those with the most kinds of objects first, earlier ones first among equals.
inline std::vector<std::size_t> telling_pictures(const Instances& truth) {
  std::unordered_map<std::int64_t, std::set<int>> kinds;
  for (const auto& a : truth.annotations) kinds[a.image_id].insert(a.category);
  std::vector<std::size_t> order(truth.images.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::stable_sort(order, std::greater<>(),
                           [&](std::size_t i) { return kinds[truth.images[i].id].size(); });
  return order;
}

/// The images in which some network found something, at whatever confidence: a study may look at a
/// part of its test images only.
inline std::unordered_set<std::int64_t> seen_images(std::span<const SampleKey> cells,
                                                    const SampleSource& source) {
  std::unordered_set<std::int64_t> ids;
  constexpr int kEnough = 3;  // networks
  int read = 0;
  for (const auto& [scenario, ratio, run] : cells) {
    const auto path = source.cells / cell_folder(scenario, run, ratio) / "detections.csv";
    if (read == kEnough || !std::filesystem::exists(path)) continue;
    ++read;
    CsvReader csv(path, {"image_id"});
    while (csv.next()) ids.insert(csv.integer(0));
  }
  return ids;
}

/// @return  the picture, and by how much it was shrunk.
inline std::pair<SamplePicture, double> sample_picture(const CocoImage& image,
                                                       const SampleSource& source) {
  const auto path = source.images / image.file_name;
  SamplePicture picture{.id = image.id,
                        .name = image.file_name,
                        .width = 0,
                        .height = 0,
                        .jpeg = read_file(path),
                        .truth = {}};
  auto pixels = decode_image(picture.jpeg, path.string(), {image.width, image.height});
  // Pages hold JPEG and PNG; and what shows a file need not turn it, or not as its boxes have it.
  bool as_stored = (detail::is_jpeg(picture.jpeg) || detail::is_png(picture.jpeg)) &&
                   image_orientation(picture.jpeg, path.string()) == 1;
  double scale = 1;
  if (const int side = std::max(pixels.width, pixels.height); side > source.side) {
    scale = static_cast<double>(source.side) / side;
    const auto length = [&](int n) {
      return std::max(1, static_cast<int>(std::lround(n * scale)));
    };
    pixels = resized(pixels, length(pixels.width), length(pixels.height));
    as_stored = false;
  }
  if (!as_stored) picture.jpeg = encode_jpeg(pixels.rgb, pixels.width, pixels.height, 82);
  picture.width = pixels.width, picture.height = pixels.height;
  return {std::move(picture), scale};
}

inline Box scaled(const Box& box, double by) {
  return {by * box.x, by * box.y, by * box.width, by * box.height};
}

}  // namespace detail

/// Reads pictures, truth and the cells' detections; a picture that cannot be read is passed over,
/// a cell that kept no detections is left out. Classes that the annotations only number have the
/// names that detections say.
/// @throws Error  naming the file, if annotations or detections cannot be read.
inline Samples read_samples(std::span<const SampleKey> cells, const SampleSource& source) {
  const auto truth = load_annotations(source.annotations, {.images = source.images});
  Samples samples;
  std::unordered_map<std::int64_t, int> listed;  // by the data set's id
  std::unordered_map<std::string, int> called;
  const auto add = [&](std::string name) {
    const auto index = static_cast<int>(samples.categories.size());
    called.emplace(name, index);
    samples.categories.push_back(std::move(name));
    return index;
  };
  std::unordered_map<std::int64_t, int> unnamed;  // those of `listed` that are only numbered
  for (const auto& c : truth.categories) {
    const auto index = add(c.name.empty() ? fmt::format("class {}", c.id) : c.name);
    listed.emplace(c.id, index);
    if (c.name.empty() || is_numbered_class(c.name)) unnamed.emplace(c.id, index);
  }
  const auto take_name = [&](std::int64_t id, std::string name) {
    const auto at = unnamed.find(id);
    if (at == unnamed.end() || name.empty() || is_numbered_class(name) || called.contains(name))
      return;
    auto& own = samples.categories[static_cast<std::size_t>(at->second)];
    called.erase(own);
    called.emplace(name, at->second);
    own = std::move(name);
    unnamed.erase(at);
  };
  std::vector<double> scales;
  std::unordered_map<std::int64_t, std::size_t> picture_of;
  const auto seen = detail::seen_images(cells, source);
  for (const auto i : detail::telling_pictures(truth)) {
    if (samples.pictures.size() == source.pictures) break;
    if (!seen.empty() && !seen.contains(truth.images[i].id)) continue;
    try {
      auto [picture, scale] = detail::sample_picture(truth.images[i], source);
      picture_of.emplace(picture.id, samples.pictures.size());
      samples.pictures.push_back(std::move(picture));
      scales.push_back(scale);
    } catch (const Error&) {  // cannot be read: another one will do
    }
  }
  for (const auto& a : truth.annotations)
    if (const auto at = picture_of.find(a.image_id); at != picture_of.end() && !a.is_crowd)
      samples.pictures[at->second].truth.push_back(
          {a.category, 1, detail::scaled(a.box, scales[at->second])});

  const auto read = [&](const std::filesystem::path& path) {
    std::vector<std::vector<SampleBox>> found;
    if (!std::filesystem::exists(path)) return found;
    found.resize(samples.pictures.size());
    CsvReader csv(path, {"image_id", "confidence", "x", "y", "width", "height", "category_id"});
    const auto name = csv.column("category");
    // A class that the annotations lack has an id that the study made up: its name tells it.
    const auto category = [&] {
      const auto id = csv.integer(6);
      if (const auto known = listed.find(id); known != listed.end()) return known->second;
      std::string by_name(name ? csv.at(*name) : std::string_view());
      if (by_name.empty())
        fail(csv.place(), "category_id should be one that {} lists, or have a name, got {}",
             source.annotations.string(), id);
      const auto known = called.find(by_name);
      return known != called.end() ? known->second : add(std::move(by_name));
    };
    while (csv.next()) {
      if (name && !unnamed.empty()) take_name(csv.integer(6), std::string(csv.at(*name)));
      const auto at = picture_of.find(csv.integer(0));
      if (at == picture_of.end() || csv.number(1) < source.least) continue;
      const Box box{csv.number(2), csv.number(3), csv.number(4), csv.number(5)};
      found[at->second].push_back(
          {category(), csv.number(1), detail::scaled(box, scales[at->second])});
    }
    for (auto& boxes : found) {
      std::ranges::stable_sort(boxes, std::greater<>(), &SampleBox::confidence);
      if (boxes.size() > source.boxes) boxes.resize(source.boxes);
    }
    return found;
  };
  for (const auto& key : cells) {
    const auto& [scenario, ratio, run] = key;
    const auto folder = source.cells / cell_folder(scenario, run, ratio);
    SampleCell cell{read(folder / "detections.csv"), read(folder / "detections_attacked.csv")};
    if (!cell.clean.empty()) samples.cells.emplace(key, std::move(cell));
  }
  return samples;
}
/// Of all cells of a study.
inline Samples read_samples(const Study& study, const SampleSource& source) {
  std::vector<SampleKey> cells;
  for (const auto& ratio : study.ratios())
    for (const auto& scenario : study.scenarios())
      for (const auto run : study.runs()) cells.emplace_back(scenario, ratio, run);
  return read_samples(cells, source);
}

/// Which boxes are right: from the surest on, each takes the truth of its class that it overlaps
/// most, by an IoU of 0.5 or more, if no surer one has taken it.
/// @param found  the surest first.
inline std::vector<bool> right_boxes(const std::vector<SampleBox>& found,
                                     const std::vector<SampleBox>& truth) {
  std::vector<bool> taken(truth.size(), false), right;
  for (const auto& box : found) {
    double best = 0.5;
    std::size_t at = truth.size();
    for (std::size_t i = 0; i < truth.size(); ++i)
      if (const double overlap = iou(box.box, truth[i].box);
          !taken[i] && truth[i].category == box.category && overlap >= best)
        best = overlap, at = i;
    right.push_back(at < truth.size());
    if (right.back()) taken[at] = true;
  }
  return right;
}

/// fig_3.csv: the boxes of one run on one sample picture, clean and attacked.
inline std::string samples_csv(const Samples& samples, std::int64_t run, std::size_t picture = 0) {
  CsvWriter csv;
  csv.row("image", "attacked", "scenario", "ratio_percent", "run", "category", "confidence", "x",
          "y", "width", "height", "right");
  const auto& shown = samples.pictures.at(picture);
  for (const auto& [key, cell] : samples.cells)
    for (const auto& [attacked, found] : {std::pair("no", &cell.clean), {"yes", &cell.attacked}}) {
      const auto& [scenario, ratio, of_run] = key;
      if (of_run != run || found->empty()) continue;
      const auto& boxes = (*found)[picture];
      const auto right = right_boxes(boxes, shown.truth);
      for (std::size_t k = 0; k < boxes.size(); ++k) {
        const auto& b = boxes[k];
        csv.row(shown.name, attacked, scenario, ratio, run,
                samples.categories[static_cast<std::size_t>(b.category)], b.confidence, b.box.x,
                b.box.y, b.box.width, b.box.height, right[k] ? "yes" : "no");
      }
    }
  return std::string(csv.text());
}

}  // namespace serpette
