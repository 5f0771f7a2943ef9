#pragma once

#include <ATen/ops/empty.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "serpette/concepts/dataset.hpp"
#include "serpette/core/coco.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/core/fingerprint.hpp"
#include "serpette/core/image_batch.hpp"
#include "serpette/core/letterbox.hpp"
#include "serpette/core/settings.hpp"
#include "serpette/core/share.hpp"
#include "serpette/data/augment.hpp"
#include "serpette/data/letterbox.hpp"
#include "serpette/io/image.hpp"
#include "serpette/io/read_file.hpp"

namespace serpette {

/// A folder of pictures with COCO annotations as a Dataset.
///
/// An image whose content is damaged, or of another size than its record says, is reported once,
/// counted and left out: a batch may then hold fewer images than asked for (`ImageBatch::image_ids`
/// says which). With `strict` it is an Error. A file that is not there, or cannot be opened or read
/// when its turn comes, is an Error always: another time it might be read, and equal settings would
/// not give equal results. Calls from several threads at once are allowed.
class CocoFolder {
 public:
  struct Options {
    int width = 416, height = 416;  ///< Of the canvas, the network's input [pixels].
    bool strict = false;            ///< A damaged image is an Error.
    Augment augment{};              ///< What `augmented` does.
    std::size_t cache_bytes = std::size_t{512}
                              << 20;  ///< Decoded pictures are kept up to this much memory.
    /// Takes the message about a damaged image; standard error by default. Called for the first
    /// `kReports` of them, and once to say that there are more.
    std::function<void(std::string_view)> report = [](std::string_view message) {
      fmt::print(stderr, "warning: {}\n", message);
    };
  };

  /// Checks everything that can be checked without decoding.
  /// @param instances  boxes in pixels of the images; crowds are left out of the truth, boxes are
  /// clipped.
  /// @param images     the folder that their file names are relative to.
  /// @throws Error     if the folder or a file is missing; if there is no image; if an annotation
  /// is of an unlisted image or category, or its box lies outside its image by more than a pixel.
  CocoFolder(Instances instances, std::filesystem::path images, Options options)
      : instances_(std::move(instances)),
        folder_(std::move(images)),
        options_(std::move(options)),
        state_(std::make_unique<State>()) {
    require(options_.width > 0 && options_.height > 0, "canvas",
            "should have a positive size, got {} x {}", options_.width, options_.height);
    options_.augment.check();
    require(std::filesystem::is_directory(folder_), folder_.string(),
            "should be a folder of images, got {}",
            std::filesystem::exists(folder_) ? "a file" : "nothing of that name");
    require(!instances_.images.empty(), instances_.source,
            "should have at least one annotated image, got an empty split");
    collect_truth();
    require_files();
    state_->cache.resize(instances_.images.size());
  }

  [[nodiscard]] std::int64_t size() const {
    return static_cast<std::int64_t>(instances_.images.size());
  }
  /// Of the files of its pictures, by their sizes and last 4 KiB: a picture that is damaged, mended
  /// or replaced makes another data set. A file that was changed before its last 4 KiB alone, and
  /// kept its size, does not: all bytes of a large data set would take minutes to read.
  [[nodiscard]] const std::string& identity() const { return identity_; }
  /// What is done otherwise than by default to training views, as options; may be empty.
  [[nodiscard]] std::string views() const { return changed_settings(options_.augment); }
  /// What is known of the images, in the order of indices.
  [[nodiscard]] const Instances& instances() const { return instances_; }
  [[nodiscard]] const Options& options() const { return options_; }
  /// File of an image.
  [[nodiscard]] std::filesystem::path path(std::int64_t index) const {
    return folder_ / at(index).file_name;
  }
  /// Its boxes as `batch` gives them: no crowds, clipped to the image [pixels of the image].
  [[nodiscard]] std::span<const LabelledBox> boxes(std::int64_t index) const {
    (void)at(index);
    return truth_[static_cast<std::size_t>(index)];
  }

  static constexpr std::size_t kReports = 10;
  /// Ids of the images found damaged so far, with the reason: all of them once each was asked for.
  [[nodiscard]] std::map<std::int64_t, std::string> unreadable() const {
    const std::scoped_lock lock(state_->mutex);
    return state_->unreadable;
  }

  /// The picture of an image; null if it is damaged.
  /// @throws Error  if its file cannot be read, or it is damaged and `strict` is set.
  [[nodiscard]] std::shared_ptr<const Image> picture(std::int64_t index) const {
    const auto& record = at(index);
    auto& cached = state_->cache[static_cast<std::size_t>(index)];
    {
      const std::scoped_lock lock(state_->mutex);
      if (cached) return cached;
      if (state_->unreadable.contains(record.id)) return nullptr;
    }
    const auto image = reading(index, [&](const std::filesystem::path& file) {
      auto read = std::make_shared<const Image>(read_image(file, annotated_size(record)));
      require_annotated_size(record, file, read->width, read->height);
      return read;
    });
    const std::scoped_lock lock(state_->mutex);
    if (image && !cached && state_->cached_bytes + image->rgb.size() <= options_.cache_bytes) {
      state_->cached_bytes += image->rgb.size();
      cached = image;
    }
    return image;
  }

  /// The images letterboxed, not augmented.
  [[nodiscard]] ImageBatch batch(std::span<const std::int64_t> indices) const {
    return assemble(indices, [&](std::size_t, std::int64_t index, float* canvas, auto& boxes) {
      std::optional<Letterbox> geometry;
      if (const auto image = picture(index)) {
        geometry = letterbox_into(canvas, *image, options_.width, options_.height);
        place_boxes(index, *geometry, boxes);
      }
      return geometry;
    });
  }

  /// One image letterboxed straight from its file, whatever the cache holds; a batch of one, or of
  /// none if the image is damaged.
  [[nodiscard]] ImageBatch load(std::int64_t index) const {
    return assemble({&index, 1}, [&](std::size_t, std::int64_t i, float* canvas, auto& boxes) {
      return reading(i, [&](const std::filesystem::path& file) {
        std::optional geometry =
            letterbox_into(canvas, read_file(file), file.string(), options_.width, options_.height,
                           annotated_size(at(i)));
        require_annotated_size(at(i), file, geometry->image_width, geometry->image_height);
        place_boxes(i, *geometry, boxes);
        return geometry;
      });
    });
  }

  /// Training views. Their `geometry` is the identity: a view has no way back to one image.
  /// @param share  the images are this share of a batch: their views are the ones they have there.
  [[nodiscard]] ImageBatch augmented(std::span<const std::int64_t> indices, Seed seed,
                                     Share share = {}) const {
    const auto labelled = [&](std::int64_t index) {
      return LabelledImage{picture(index), truth_[static_cast<std::size_t>(index)]};
    };
    const auto any = [&](Generator& rng) {
      return labelled(static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(size()))));
    };
    const int width = options_.width, height = options_.height;
    return assemble(indices, [&](std::size_t k, std::int64_t index, float* canvas, auto& boxes) {
      std::optional<Letterbox> geometry;
      if (const auto first = labelled(index); first.image) {
        Generator rng(seed.derive(static_cast<std::uint64_t>(share.rank) +
                                  k * static_cast<std::uint64_t>(share.size)));
        boxes = options_.augment.view(canvas, width, height, first, any, rng);
        geometry = Letterbox::fit(width, height, width, height);
      }
      return geometry;
    });
  }

 private:
  struct State {
    std::mutex mutex;
    std::vector<std::shared_ptr<const Image>> cache;
    std::size_t cached_bytes = 0;
    std::map<std::int64_t, std::string> unreadable;
  };

  [[nodiscard]] const CocoImage& at(std::int64_t index) const {
    require(index >= 0 && index < size(), "data set", "index should be in [0, {}), got {}", size(),
            index);
    return instances_.images[static_cast<std::size_t>(index)];
  }

  void note_unreadable(std::int64_t id, const std::string& reason) const {
    const std::scoped_lock lock(state_->mutex);
    if (!state_->unreadable.emplace(id, reason).second || !options_.report) return;
    const auto count = state_->unreadable.size();
    if (count <= kReports) options_.report(reason);
    if (count == kReports + 1)
      options_.report(fmt::format("{}: more images are damaged; they are counted, not named",
                                  folder_.string()));
  }

  void collect_truth() {
    std::unordered_map<std::int64_t, std::size_t> index_of;
    for (const auto& image : instances_.images) {
      const auto place = [&] { return fmt::format("{}: image {}", instances_.source, image.id); };
      if (!index_of.emplace(image.id, index_of.size()).second)
        fail(place(), "should have an id of its own, got it again for {}", image.file_name);
      if (image.file_name.empty()) fail(place(), "should have a file_name, got none");
    }
    truth_.resize(instances_.images.size());
    for (const auto& a : instances_.annotations) {
      const auto place = [&] { return fmt::format("{}: annotation {}", instances_.source, a.id); };
      const auto found = index_of.find(a.image_id);
      if (found == index_of.end())
        fail(place(), "should be of a listed image, got image {}", a.image_id);
      if (a.category < 0 || a.category >= static_cast<int>(instances_.categories.size()))
        fail(place(), "category should be an index below {}, got {}", instances_.categories.size(),
             a.category);
      const auto& image = instances_.images[found->second];
      if (image.width <= 0 || image.height <= 0)
        fail(place(), "image {} should have a positive width and height, got {} x {}",
             image.file_name, image.width, image.height);
      const double right = a.box.x + a.box.width, bottom = a.box.y + a.box.height;
      constexpr double kSlack = 1;  // COCO's own rounding lets some stick out by less
      if (!(a.box.width >= 0 && a.box.height >= 0 && a.box.x >= -kSlack && a.box.y >= -kSlack &&
            right <= image.width + kSlack && bottom <= image.height + kSlack))
        fail(place(), "box should lie inside {} ({} x {}), got [{}, {}, {}, {}]", image.file_name,
             image.width, image.height, a.box.x, a.box.y, a.box.width, a.box.height);
      if (a.is_crowd) continue;
      const double x = std::max(a.box.x, 0.0), y = std::max(a.box.y, 0.0);
      const Box box{x, y, std::min<double>(right, image.width) - x,
                    std::min<double>(bottom, image.height) - y};
      if (box.width > 0 && box.height > 0) truth_[found->second].push_back({a.category, box});
    }
  }

  /// Many missing files are one mistake, and one message.
  void require_files() {
    std::size_t missing = 0;
    std::string first;
    Fingerprint files;
    for (const auto& image : instances_.images) {
      std::error_code code;
      const auto file = folder_ / image.file_name;
      const auto kind = std::filesystem::status(file, code).type();
      if (kind == std::filesystem::file_type::regular) {
        if (missing == 0) add_file(files, file);
        continue;
      }
      constexpr std::size_t kNamed = 3;
      if (++missing > kNamed) continue;
      const auto got = kind == std::filesystem::file_type::not_found ? "nothing of that name"
                       : code                                        ? code.message()
                              : std::string("something else");
      first += fmt::format("{}{} ({})", first.empty() ? "" : ", ", image.file_name, got);
    }
    require(missing == 0, folder_.string(),
            "should hold the {} images of {}, but for {} of them got no file: {}{}; `dataset "
            "convert --images` leaves out what is not there",
            instances_.images.size(), instances_.source, missing, first, missing > 3 ? ", …" : "");
    identity_ = files.str();
  }

  /// A file's size and last bytes: in a compressed picture they depend on most of what is before.
  /// @throws Error  if it cannot be opened or read.
  static void add_file(Fingerprint& files, const std::filesystem::path& file) {
    const detail::OpenFile opened(file);
    std::array<char, 4096> end;
    const auto size = opened.known.st_size;
    const auto from = std::max<::off_t>(0, size - std::ssize(end));
    const auto got = ::pread(::fileno(opened.file.get()), end.data(), end.size(), from);
    require(got >= 0, file.string(), "should be readable, got \"{}\"", std::strerror(errno));
    files.add(static_cast<std::uint64_t>(size))
        .add(std::string_view(end.data(), static_cast<std::size_t>(got)));
  }

  static ImageSize annotated_size(const CocoImage& record) { return {record.width, record.height}; }

  static void require_annotated_size(const CocoImage& record, const std::filesystem::path& file,
                                     int width, int height) {
    if (record.width == 0 && record.height == 0) return;  // listed without annotations
    require<DamagedImage>(width == record.width && height == record.height, file.string(),
                          "should be {} x {} as annotated, got {} x {}", record.width,
                          record.height, width, height);
  }

  // What `read(file)` gives; nothing, and a note, if the picture is damaged.
  template <class Read, class Result = std::invoke_result_t<Read&, const std::filesystem::path&>>
  Result reading(std::int64_t index, Read&& read) const {
    try {
      return read(path(index));
    } catch (const DamagedImage& error) {
      if (options_.strict) throw;
      note_unreadable(at(index).id, error.what());
      return Result{};
    }
  }

  void place_boxes(std::int64_t index, const Letterbox& geometry,
                   std::vector<LabelledBox>& boxes) const {
    for (const auto& [category, box] : truth_[static_cast<std::size_t>(index)])
      boxes.push_back({category, geometry.to_canvas(box)});
  }

  // `place(k, index, canvas, boxes)` draws one image, appends its boxes [pixels of the canvas] and
  // returns its geometry, or nothing if the image is damaged.
  template <class Place>
  [[nodiscard]] ImageBatch assemble(std::span<const std::int64_t> indices, Place&& place) const {
    const int width = options_.width, height = options_.height;
    ImageBatch batch;
    batch.images = at::empty({std::ssize(indices), 3, height, width}, at::kFloat);
    auto* canvas = batch.images.mutable_data_ptr<float>();
    std::vector<float> rows;
    for (std::size_t k = 0; k < indices.size(); ++k) {
      std::vector<LabelledBox> boxes;
      const std::optional<Letterbox> geometry = place(k, indices[k], canvas, boxes);
      if (!geometry) continue;
      for (const auto& [category, b] : boxes)
        for (const double value :
             {double(batch.image_ids.size()), double(category), (b.x + b.width / 2) / width,
              (b.y + b.height / 2) / height, b.width / width, b.height / height})
          rows.push_back(static_cast<float>(value));
      batch.image_ids.push_back(at(indices[k]).id);
      batch.geometry.push_back(*geometry);
      canvas += std::ptrdiff_t{3} * width * height;
    }
    batch.images = batch.images.narrow(0, 0, std::ssize(batch.image_ids));
    batch.truth = at::empty({std::ssize(rows) / 6, 6}, at::kFloat);
    std::ranges::copy(rows, batch.truth.mutable_data_ptr<float>());
    return batch;
  }

  Instances instances_;
  std::string identity_;
  std::filesystem::path folder_;
  Options options_;
  std::vector<std::vector<LabelledBox>> truth_;  ///< [size()] pixels of the image.
  std::unique_ptr<State> state_;
};
static_assert(Dataset<CocoFolder>);

}  // namespace serpette
