#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serpette/core/coco.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/core/few_of.hpp"
#include "serpette/data/coco_categories.hpp"
#include "serpette/io/class_names.hpp"

namespace serpette {

namespace detail {

/// Whether a network of so many classes is likely COCO's: as many classes, all of them there.
inline bool are_coco(const std::vector<CocoCategory>& categories, int classes) {
  const auto& coco = coco_categories();
  if (classes != std::ssize(coco)) return false;
  std::vector<std::string> names;
  for (const auto& c : categories) names.push_back(plain_class_name(c.name));
  return std::ranges::all_of(coco, [&](const CocoCategory& c) {
    return std::ranges::find(names, plain_class_name(c.name)) != names.end();
  });
}

}  // namespace detail

/// Brings the categories of annotations into the order of a network's classes, so that the position
/// of a category is the class index: by name where the network's names are known (a network of 80
/// classes without names is taken for COCO's where all of COCO's are there), else as they are.
///
/// - Of more categories than classes, those without boxes go (the extra category 0 of Roboflow).
/// - With known names a class may lack boxes, as the rare ones do in a part of a data set: it
///   becomes a category without any.
/// - Labels without names (YOLO's, alone) count classes as the network does.
/// - Classes that have no order of their own (Pascal VOC's) need the network's names.
/// @param names    the network's class names, [classes] or none.
/// @param network  how errors call the network.
/// @return         what was changed, a sentence each, for people.
/// @throws Error   if a category with boxes has no class, or no class has a category.
inline std::vector<std::string> match_categories(Instances& instances, int classes,
                                                 std::vector<std::string> names,
                                                 std::string_view network) {
  auto& categories = instances.categories;
  if (names.empty() && detail::are_coco(categories, classes))
    for (const auto& c : coco_categories()) names.push_back(c.name);
  std::vector<std::size_t> boxes(categories.size());
  for (const auto& a : instances.annotations) ++boxes.at(static_cast<std::size_t>(a.category));
  const auto shown = [&](std::size_t k) {
    return categories[k].name.empty() ? fmt::to_string(categories[k].id) : categories[k].name;
  };
  std::vector<std::string> all, empty;
  for (std::size_t k = 0; k < categories.size(); ++k)
    (boxes[k] > 0 ? all : empty).push_back(shown(k));
  constexpr std::size_t kFew = 20;  // in an error, which may be read once; notes name three
  const auto refuse = [&](std::string_view wanted) {
    fail(instances.source, "should have {} of {}, got {}{}", wanted, network,
         all.empty() ? "no box at all"
                     : fmt::format("{} categories with boxes ({})", all.size(), few_of(all, kFew)),
         empty.empty() ? "" : fmt::format("; without boxes: {}", few_of(empty, kFew)));
  };

  constexpr auto kNone = static_cast<std::size_t>(-1);
  std::vector<std::size_t> order;  // class → category, or kNone
  std::vector<std::string> absent;
  if (!names.empty()) {
    if (categories.size() <= names.size() &&
        std::ranges::all_of(categories, [](const auto& c) { return is_numbered_class(c.name); }))
      for (std::size_t k = 0; k < categories.size(); ++k) categories[k].name = names[k];
    for (const auto& name : names) {
      const auto found = std::ranges::find_if(
          categories, [&](const CocoCategory& c) { return same_class(c.name, name); });
      if (found == categories.end()) absent.push_back(name);
      order.push_back(
          found == categories.end() ? kNone : static_cast<std::size_t>(found - categories.begin()));
    }
    if (absent.size() == names.size()) refuse(fmt::format("the class \"{}\"", absent.front()));
  } else {
    const auto wanted = static_cast<std::size_t>(classes);
    for (std::size_t k = 0; k < categories.size(); ++k)
      if (categories.size() <= wanted || boxes[k] > 0) order.push_back(k);
    // Roboflow's stands first; others may lack boxes in a part of a data set.
    if (order.size() < wanted && categories.size() == wanted + 1 && boxes.front() == 0) {
      order.resize(wanted);
      for (std::size_t k = 0; k < wanted; ++k) order[k] = k + 1;
    }
    if (order.size() != wanted) refuse(fmt::format("the {} classes", classes));
    require(instances.has_class_order || wanted == 1, instances.source,
            "should come with the names of {}'s classes in their order, by --names or a file "
            "{} beside it: Pascal VOC's classes have no numbers; got {}",
            network, std::filesystem::path(network).filename().replace_extension(".names").string(),
            few_of(all, kFew));
  }

  std::vector<int> class_of(categories.size(), -1);
  for (std::size_t c = 0; c < order.size(); ++c)
    if (order[c] != kNone) class_of[order[c]] = static_cast<int>(c);
  std::vector<std::string> notes, passed;
  for (std::size_t k = 0; k < categories.size(); ++k) {
    if (class_of[k] >= 0) continue;
    if (boxes[k] > 0 && !absent.empty()) refuse(fmt::format("the class \"{}\"", absent.front()));
    if (boxes[k] > 0) refuse(fmt::format("no category but the {} classes", classes));
    passed.push_back(fmt::format("{} ({})", categories[k].id, categories[k].name));
  }
  if (passed.size() == 1)
    notes.push_back(fmt::format("{}: the category {} has no boxes and is passed over",
                                instances.source, passed.front()));
  else if (!passed.empty())
    notes.push_back(fmt::format("{}: {} categories have no boxes and are passed over: {}",
                                instances.source, passed.size(), few_of(passed)));
  if (!absent.empty())
    notes.push_back(fmt::format("{}: {} of the {} classes of {} have no boxes: {}",
                                instances.source, absent.size(), classes, network, few_of(absent)));
  auto there = order;
  std::erase(there, kNone);
  if (!std::ranges::is_sorted(there))
    notes.push_back(
        fmt::format("{}: categories are matched to the classes of {} by name, in another order",
                    instances.source, network));
  std::int64_t id = 1;  // of a class without a category: one that nobody has
  const auto free_id = [&] {
    while (std::ranges::find(categories, id, &CocoCategory::id) != categories.end()) ++id;
    return id++;
  };
  std::vector<CocoCategory> matched;
  for (std::size_t c = 0; c < order.size(); ++c)
    matched.push_back(order[c] == kNone ? CocoCategory{free_id(), names[c]} : categories[order[c]]);
  categories = std::move(matched);
  for (auto& a : instances.annotations) a.category = class_of[static_cast<std::size_t>(a.category)];
  return notes;
}

}  // namespace serpette
