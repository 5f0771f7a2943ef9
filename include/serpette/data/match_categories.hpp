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

/// Whether all that categories are called is their numbers, from 0 on: YOLO's labels without names.
inline bool are_counted(const std::vector<CocoCategory>& categories) {
  for (std::size_t k = 0; k < categories.size(); ++k)
    if (categories[k].name != numbered_class(static_cast<std::int64_t>(k))) return false;
  return !categories.empty();
}

}  // namespace detail

/// Brings the categories of annotations into the order of a network's classes, so that the position
/// of a category is the class index: by name where the network's names are known (a network of 80
/// classes without names is taken for COCO's where all of COCO's are there), else as they are.
///
/// - Of more categories than classes, those without boxes go (the extra category 0 of Roboflow).
/// - With known names a class may lack boxes, as the rare ones do in a part of a data set: it
///   becomes a category without any. A name itself comes before those that are alike (same_class),
///   of two categories of a name the one with boxes, and none is taken twice.
/// - Labels without names (YOLO's, alone) count classes as the network does: class k is its class
///   k, and a part may lack the last ones.
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
  const auto boxes = boxes_of_categories(instances);
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

  if (detail::are_counted(categories)) {
    if (names.empty())
      for (int c = 0; c < classes; ++c) names.push_back(numbered_class(c));
    else if (!std::ranges::all_of(names, is_numbered_class))
      for (std::size_t k = 0; k < std::min(categories.size(), names.size()); ++k)
        categories[k].name = names[k];
  }
  constexpr auto kNone = static_cast<std::size_t>(-1);
  std::vector<std::size_t> order;  // class → category, or kNone
  std::vector<std::string> absent;
  if (!names.empty()) {
    order.assign(names.size(), kNone);
    std::vector<bool> is_taken(categories.size());
    const auto take_equal = [&](const std::vector<std::string>& of_categories,
                                const std::vector<std::string>& of_classes) {
      for (std::size_t c = 0; c < order.size(); ++c)
        for (const bool has_boxes : {true, false})
          for (std::size_t k = 0; k < categories.size() && order[c] == kNone; ++k)
            if (!is_taken[k] && (boxes[k] > 0) == has_boxes && of_categories[k] == of_classes[c])
              order[c] = k, is_taken[k] = true;
    };
    std::vector<std::string> called, plain, plain_names;
    for (std::size_t k = 0; k < categories.size(); ++k) {
      called.push_back(written_name(categories, k));
      plain.push_back(plain_class_name(called.back()));
    }
    for (const auto& name : names) plain_names.push_back(plain_class_name(name));
    take_equal(called, names);
    take_equal(plain, plain_names);
    for (std::size_t c = 0; c < order.size(); ++c)
      if (order[c] == kNone) absent.push_back(names[c]);
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
            network, beside_network(std::filesystem::path(network).filename(), ".names").string(),
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
