#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serpette/core/coco.hpp"
#include "serpette/core/contract.hpp"
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
/// classes without names is taken for COCO's where all of COCO's are there), else as they are. Of
/// more categories than classes, those without boxes go (the extra category 0 of Roboflow).
/// @param names    the network's class names, [classes] or none.
/// @param network  how errors call the network.
/// @return         what was changed, a sentence each, for people.
/// @throws Error   if a class has no category, or a category with boxes has no class.
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
  const auto refuse = [&](std::string_view wanted) {
    const auto some = [&] {
      return fmt::format("{} categories with boxes ({})", all.size(), fmt::join(all, ", "));
    };
    fail(instances.source, "should have {} of {}, got {}{}", wanted, network,
         all.empty() ? "no box at all" : some(),
         empty.empty() ? "" : fmt::format("; without boxes: {}", fmt::join(empty, ", ")));
  };

  std::vector<std::size_t> order;  // class → category
  if (!names.empty()) {
    for (const auto& name : names) {
      const auto found = std::ranges::find_if(
          categories, [&](const CocoCategory& c) { return same_class(c.name, name); });
      if (found == categories.end()) refuse(fmt::format("the class \"{}\"", name));
      order.push_back(static_cast<std::size_t>(found - categories.begin()));
    }
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
  }

  std::vector<int> class_of(categories.size(), -1);
  for (std::size_t c = 0; c < order.size(); ++c) class_of[order[c]] = static_cast<int>(c);
  std::vector<std::string> notes;
  for (std::size_t k = 0; k < categories.size(); ++k) {
    if (class_of[k] >= 0) continue;
    if (boxes[k] > 0) refuse(fmt::format("no category but the {} classes", classes));
    notes.push_back(fmt::format("{}: the category {} ({}) has no boxes and is passed over",
                                instances.source, categories[k].id, categories[k].name));
  }
  if (!std::ranges::is_sorted(order))
    notes.push_back(
        fmt::format("{}: categories are matched to the classes of {} by name, in another order",
                    instances.source, network));
  std::vector<CocoCategory> matched;
  for (const auto k : order) matched.push_back(categories[k]);
  categories = std::move(matched);
  for (auto& a : instances.annotations) a.category = class_of[static_cast<std::size_t>(a.category)];
  return notes;
}

}  // namespace serpette
