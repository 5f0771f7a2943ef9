#pragma once

#include <fmt/format.h>

#include <pugixml.hpp>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <iterator>
#include <map>
#include <optional>
#include <range/v3/algorithm/unique.hpp>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "serpette/core/coco.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/core/parse_number.hpp"
#include "serpette/io/annotation_options.hpp"
#include "serpette/io/atomic_file.hpp"
#include "serpette/io/class_names.hpp"
#include "serpette/io/image_files.hpp"
#include "serpette/io/limits.hpp"
#include "serpette/io/read_file.hpp"
#include "serpette/io/text.hpp"

namespace serpette {

namespace detail {

inline bool is_xml(const std::filesystem::path& file) { return file.extension() == ".xml"; }

/// The picture of an annotation, of some that are named like it: the one that it names itself, else
/// the one that lies nearest to the folder of pictures.
/// @param name    what the annotation calls its picture; may be empty.
/// @throws Error  if two are as good: one of them is another annotation's.
inline std::filesystem::path picture_among(std::vector<std::filesystem::path> found,
                                           const std::string& name,
                                           const std::filesystem::path& annotation) {
  const auto keep = [&](auto&& is_good) {
    if (std::ranges::any_of(found, is_good))
      std::erase_if(found, [&](const auto& picture) { return !is_good(picture); });
  };
  const auto depth = [](const std::filesystem::path& picture) {
    return std::distance(picture.begin(), picture.end());
  };
  keep([&](const std::filesystem::path& picture) { return picture.filename() == name; });
  const auto least = depth(*std::ranges::min_element(found, {}, depth));
  keep([&](const std::filesystem::path& picture) { return depth(picture) == least; });
  if (found.size() > 1)
    fail(annotation.string(),
         "should be of one picture, got {} and {}: take the folder of its pictures alone",
         found[0].string(), found[1].string());
  return found.front();
}

/// One file as it stands: corners as written, classes by name.
struct VocFile {
  struct Object {
    std::string name;
    bool difficult = false;
    double x_min = 0, y_min = 0, x_max = 0, y_max = 0;
  };
  std::string file_name;
  int width = 0, height = 0;
  std::vector<Object> objects;
};

inline VocFile read_voc_file(const std::filesystem::path& path) {
  const auto text = read_file(path);
  pugi::xml_document document;
  const auto parsed = document.load_buffer(text.data(), text.size());
  require(static_cast<bool>(parsed), path.string(),
          "should be XML, got a mistake at byte {}: \"{}\"", parsed.offset, parsed.description());
  const auto root = document.child("annotation");
  require(static_cast<bool>(root), path.string(),
          "should be a Pascal VOC annotation, got XML of another kind");
  const auto number = [&](const pugi::xml_node& node, const char* key, double otherwise) {
    const auto word = trimmed(node.child(key).text().get());
    if (word.empty() && otherwise >= 0) return otherwise;
    const auto value = parse_number<double>(word);
    require(value.has_value(), path.string(), "{} should be a number, got \"{}\"", key, word);
    return *value;
  };
  const auto pixels = [&](const char* key) {
    constexpr double kMost = 1 << 24;
    const double value = number(root.child("size"), key, 0);
    require(value >= 0 && value <= kMost, path.string(),
            "{} should be a number of pixels up to {}, got {}", key, kMost, value);
    return static_cast<int>(value);
  };
  VocFile file{std::string(trimmed(root.child("filename").text().get())),
               pixels("width"),
               pixels("height"),
               {}};
  for (const auto& node : root.children("object")) {
    const auto box = node.child("bndbox");
    VocFile::Object object{std::string(trimmed(node.child("name").text().get())),
                           number(node, "difficult", 0) != 0,
                           number(box, "xmin", -1),
                           number(box, "ymin", -1),
                           number(box, "xmax", -1),
                           number(box, "ymax", -1)};
    require(!object.name.empty(), path.string(), "each object should have a name, got one without");
    file.objects.push_back(std::move(object));
  }
  return file;
}

/// Whether a box begins before 1, where no tool that counts from 1 puts one.
inline bool begins_before_one(const VocFile& file) {
  return std::ranges::any_of(file.objects,
                             [](const auto& o) { return o.x_min < 1 || o.y_min < 1; });
}

/// The same of any file of a folder; one that cannot be read says nothing.
inline bool any_begins_before_one(const std::filesystem::path& folder) {
  return std::ranges::any_of(files_of(folder, is_xml), [](const std::filesystem::path& file) {
    try {
      return begins_before_one(read_voc_file(file));
    } catch (const Error&) {
      return false;
    }
  });
}

}  // namespace detail

/// Reads Pascal VOC's annotations: a folder of XML files, one a picture, or a folder that holds it
/// as `Annotations`; or a list of pictures under `ImageSets/Main`.
///
/// Pixels are counted from 1 and both corners belong to the box, so that (1, W) is the whole width:
/// x = xmin − 1, width = xmax − xmin + 1. Where some box of the folder begins before 1, its writer
/// counts from 0 (CVAT, Roboflow, LabelImg) and gives the corners: x = xmin, width = xmax − xmin.
/// Difficult objects become crowds: no truth in training, neither right nor wrong in evaluation.
/// Classes are those of `options.names`, else all names found, in alphabetical order, which is
/// VOC's own. A picture is the file named like its XML, whatever its suffix, else `<filename>`; it
/// is looked for in `options.images` and below, else in `JPEGImages` beside `Annotations` or beside
/// the XML file. One that is found nowhere has its bare name, so that whoever has its folder finds
/// it. Source: Everingham et al. 2010, devkit; the same numbers as Detectron2's converter.
/// @throws Error  naming the file, if it is no folder or list of such XML, one is none, a box ends
/// before it begins, a class is not in `options.names`, or either of two pictures may be its own.
inline Instances load_voc(const std::filesystem::path& path,
                          const AnnotationOptions& options = {}) {
  namespace fs = std::filesystem;
  auto folder = path;
  std::vector<fs::path> files;
  const bool is_list = !fs::is_directory(path);
  if (!is_list) {
    if (fs::is_directory(path / "Annotations")) folder = path / "Annotations";
    files = files_of(folder, detail::is_xml);
  } else {  // VOC2007/ImageSets/Main/train.txt: one stem a line, perhaps with −1, 0 or 1 behind it
    folder = fs::absolute(path).parent_path().parent_path().parent_path() / "Annotations";
    require(fs::is_directory(folder), path.string(),
            "should be a folder of Pascal VOC's XML or a list under ImageSets/Main, got neither");
    const auto text = read_file(path);
    const auto lines = lines_of(text);
    for (std::size_t l = 0; l < lines.size(); ++l) {
      auto stem = lines[l];
      if (stem.size() > limits::kNameBytes)  // each of its blanks is a name to look up
        fail(fmt::format("{}:{}", path.string(), l + 1),
             "should name a picture in at most {} bytes, got {}", limits::kNameBytes, stem.size());
      const auto file = [&] { return folder / (std::string(stem) + ".xml"); };
      // A name may hold blanks as well: what is behind one goes only where there is no such file.
      std::error_code code;
      for (auto blank = stem.find_last_of(" \t");
           blank != std::string_view::npos && !fs::exists(file(), code);
           blank = stem.find_last_of(" \t"))
        stem = trimmed(stem.substr(0, blank));
      if (!stem.empty()) files.push_back(file());
    }
  }
  require(!files.empty(), path.string(), "should hold Pascal VOC's XML files, got none");
  auto images = options.images;
  if (images.empty()) {
    const auto beside = fs::absolute(folder).lexically_normal().parent_path() / "JPEGImages";
    images = fs::is_directory(beside) ? beside : folder;
  }
  std::map<std::string, std::vector<fs::path>> by_stem, by_name;
  for (const auto& file : files_of(images, has_image_suffix, true)) {
    by_stem[file.stem().string()].push_back(file);
    by_name[file.filename().string()].push_back(file);
  }

  std::vector<detail::VocFile> read;
  std::vector<fs::path> pictures;
  std::vector<std::string> listed;
  const auto take = [&](fs::path picture) {
    listed.push_back(listed_name(picture, options.images));
    pictures.push_back(std::move(picture));
  };
  bool from_zero = false;
  std::vector<std::string> names = options.names;
  for (const auto& file : files) {
    auto& voc = read.emplace_back(detail::read_voc_file(file));
    // Windows' annotation tools write whole paths.
    const auto name = voc.file_name.substr(voc.file_name.find_last_of("/\\") + 1);
    const auto stem = by_stem.find(file.stem().string());
    const auto named = by_name.find(name);
    if (stem != by_stem.end()) {
      take(detail::picture_among(stem->second, name, file));
    } else if (named != by_name.end()) {
      take(detail::picture_among(named->second, name, file));
    } else {
      listed.push_back(name.empty() ? file.stem().string() + ".jpg" : name);
      pictures.push_back(images / listed.back());
    }
    from_zero = from_zero || detail::begins_before_one(voc);
    if (options.names.empty())
      for (const auto& object : voc.objects) names.push_back(object.name);
  }
  // One writer made the folder, and all lists of it are read alike.
  if (is_list && !from_zero) from_zero = detail::any_begins_before_one(folder);
  if (options.names.empty()) {
    std::ranges::sort(names);
    names.erase(ranges::unique(names), names.end());
  }

  Instances found{
      .source = path.string(), .has_image_ids = false, .has_class_order = !options.names.empty()};
  std::unordered_map<std::string_view, int> class_of;
  for (const auto& name : names) {
    class_of.emplace(name, static_cast<int>(found.categories.size()));
    found.categories.push_back({std::ssize(found.categories) + 1, name});
  }
  detail::require_categories(found);
  const auto ids = image_ids(pictures);
  const double first = from_zero ? 0 : 1;
  for (std::size_t i = 0; i < read.size(); ++i) {
    const auto& voc = read[i];
    ImageSize size{voc.width, voc.height};
    if ((size.width == 0 || size.height == 0) && fs::exists(pictures[i]))
      size = size_of_file(pictures[i]);
    found.images.push_back({ids[i], std::move(listed[i]), size.width, size.height});
    for (const auto& object : voc.objects) {
      const auto known = class_of.find(object.name);
      if (known == class_of.end())
        fail(files[i].string(), "should have objects of the {} classes given, got \"{}\"",
             names.size(), object.name);
      // Where both ends are inside, a box without area ends one before it begins.
      require(object.x_max + first >= object.x_min && object.y_max + first >= object.y_min,
              files[i].string(),
              "the box of \"{}\" should end after it begins, got x {} to {} and y {} to {}",
              object.name, object.x_min, object.x_max, object.y_min, object.y_max);
      // Rounding may leave one of no width a little less.
      const Box box{object.x_min - first, object.y_min - first,
                    std::max(object.x_max - object.x_min + first, 0.0),
                    std::max(object.y_max - object.y_min + first, 0.0)};
      found.annotations.push_back({std::ssize(found.annotations) + 1, ids[i], known->second, box,
                                   box.area(), object.difficult});
    }
  }
  return found;
}

/// Writes Pascal VOC's annotations: `FOLDER/Annotations/NAME.xml`, pixels counted from 1 and boxes
/// clipped to their picture, which is all that the format can say: of one that lies outside, a box
/// without area is left at the edge. Crowds are written as difficult.
/// @throws Error  as require_class_names of the categories with boxes, whose names are all that is
/// written of them; if two pictures differ only by their suffix or folder, a picture has no size,
/// or the folder holds annotations of other pictures.
inline void save_voc(const std::filesystem::path& folder, const Instances& instances) {
  const auto stems = detail::label_stems(instances, false);
  const auto boxes = boxes_of_categories(instances);
  std::vector<CocoCategory> named;
  for (std::size_t k = 0; k < boxes.size(); ++k)
    if (boxes[k] > 0) named.push_back(instances.categories[k]);
  require_class_names(named, instances.source);
  if (const auto written = folder / "Annotations"; std::filesystem::is_directory(written)) {
    std::unordered_set<std::string> own;
    for (const auto& stem : stems) own.insert(stem + ".xml");
    std::vector<std::filesystem::path> there;
    for (const auto& file : files_of(written, detail::is_xml)) there.push_back(file.filename());
    detail::require_no_others(written, there, own);
  }
  std::unordered_map<std::int64_t, std::vector<const CocoAnnotation*>> of_image;
  for (const auto& a : instances.annotations) of_image[a.image_id].push_back(&a);
  for (std::size_t i = 0; i < instances.images.size(); ++i) {
    const auto& image = instances.images[i];
    pugi::xml_document document;
    auto root = document.append_child("annotation");
    const auto put = [](pugi::xml_node node, const char* key, const std::string& value) {
      node.append_child(key).text().set(value.c_str());
    };
    const std::filesystem::path file(image.file_name);
    put(root, "folder", file.parent_path().filename().string());
    put(root, "filename", file.filename().string());
    auto size = root.append_child("size");
    put(size, "width", fmt::to_string(image.width));
    put(size, "height", fmt::to_string(image.height));
    put(size, "depth", "3");
    put(root, "segmented", "0");
    for (const auto* a : of_image[image.id]) {
      auto object = root.append_child("object");
      put(object, "name", instances.categories.at(static_cast<std::size_t>(a->category)).name);
      put(object, "pose", "Unspecified");
      put(object, "truncated", "0");
      put(object, "difficult", a->is_crowd ? "1" : "0");
      auto box = object.append_child("bndbox");
      const auto within = [](double at, int side) { return std::clamp<double>(at, 0, side); };
      put(box, "xmin", fmt::to_string(within(a->box.x, image.width) + 1));
      put(box, "ymin", fmt::to_string(within(a->box.y, image.height) + 1));
      put(box, "xmax", fmt::to_string(within(a->box.x + a->box.width, image.width)));
      put(box, "ymax", fmt::to_string(within(a->box.y + a->box.height, image.height)));
    }
    std::ostringstream text;
    document.save(text, "\t", pugi::format_default | pugi::format_no_declaration);
    write_file(folder / "Annotations" / (stems[i] + ".xml"), std::string_view(text.view()), false);
  }
}

}  // namespace serpette
